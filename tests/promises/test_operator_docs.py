"""What the pages for operators say is what the code does."""

import re
from pathlib import Path

import pytest
import yaml

from tests.support.databases import ROOT

DOCS = ROOT / "docs"
SETTINGS = (DOCS / "reference" / "settings.md").read_text()
NAMED_IN_CODE = sorted(
    {
        name
        for path in [*(ROOT / "config" / "settings").glob("*.py"), ROOT / "config" / "env.py"]
        for name in re.findall(
            r'(?:environment\.(?:text|integer|choice|switch|env\.\w+)|os\.environ\.get)\(\s*"([A-Z_]+)"',
            path.read_text(),
        )
        # Between `serve` and its own processes; nobody sets it.
        if name != "STEPWARD_RUN"
    }
)


@pytest.mark.parametrize("name", NAMED_IN_CODE)
def test_every_setting_stands_in_the_reference(name: str) -> None:
    assert f"| `{name}` |" in SETTINGS or f"`{name}`, " in SETTINGS or f", `{name}`" in SETTINGS


def test_the_reference_names_no_setting_that_is_not_read() -> None:
    named = set(re.findall(r"^\| `([A-Z_]+)` \|", SETTINGS, re.MULTILINE))
    assert len(named) > 20
    assert named <= set(NAMED_IN_CODE)


def test_the_kubernetes_manifests_are_whole_documents_and_as_strict_as_compose() -> None:
    text = (DOCS / "how-to" / "kubernetes.md").read_text()
    documents = list(yaml.safe_load_all(text.split("```yaml\n")[1].split("\n```")[0]))
    kinds = [document["kind"] for document in documents]
    assert kinds.count("Deployment") == 3
    assert {"Job", "Service", "ConfigMap", "PodDisruptionBudget"} < set(kinds)
    for document in documents:
        if document["kind"] in ("Deployment", "Job"):
            pod = document["spec"]["template"]["spec"]
            assert pod["securityContext"]["runAsNonRoot"]
            assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"]


@pytest.mark.parametrize("page", sorted(DOCS.glob("how-to/*.md")), ids=lambda page: page.stem)
def test_each_command_of_manage_py_that_a_page_names_exists(page: Path) -> None:
    commands = {path.stem for path in ROOT.glob("*/management/commands/*.py")} | {"migrate", "check", "shell"}
    named = set(re.findall(r"manage\.py(?:, | )([a-z_]+)", page.read_text()))
    assert named <= commands


OPERATORS = [
    *DOCS.glob("how-to/*.md"),
    *(DOCS / "reference" / f"{name}.md" for name in ("settings", "metrics", "run-book")),
]


@pytest.mark.parametrize("page", sorted(OPERATORS), ids=lambda page: page.stem)
def test_each_link_between_pages_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target
