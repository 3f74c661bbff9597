"""What the pages for operators say is what the code does."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from identity.api import health
from tests.support.databases import ROOT

DOCS = ROOT / "docs"
SETTINGS = (DOCS / "reference" / "settings.md").read_text()
NAMED_IN_CODE = sorted(
    {
        name
        for path in [*(ROOT / "config" / "settings").glob("*.py"), ROOT / "config" / "env.py"]
        for name in re.findall(
            r'(?:\b(?:text|integer|choice|switch|env\.\w+)|os\.environ\.get)\(\s*"([A-Z_]+)"',
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


KUBERNETES = (DOCS / "how-to" / "kubernetes.md").read_text()
MANIFESTS = [
    document
    for block in re.findall(r"```yaml\n(.*?)```", KUBERNETES, re.DOTALL)
    for document in yaml.safe_load_all(block)
]


def pods() -> list[tuple[str, dict[str, Any]]]:
    """Each pod of the page's manifests, by kind and name of what makes it."""
    found = []
    for document in MANIFESTS:
        described = document.get("spec", {})
        described = described.get("jobTemplate", {}).get("spec", described)
        if "template" in described:
            found.append((f"{document['kind']}/{document['metadata']['name']}", described["template"]["spec"]))
    return found


def test_the_kubernetes_manifests_are_whole_documents_and_as_strict_as_compose() -> None:
    kinds = [document["kind"] for document in MANIFESTS]
    assert kinds.count("Deployment") == 3
    assert {"Job", "CronJob", "PersistentVolumeClaim", "Service", "ConfigMap", "PodDisruptionBudget"} < set(kinds)
    assert len(pods()) == 5
    for name, pod in pods():
        assert pod["securityContext"]["runAsNonRoot"], name
        (container,) = pod["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"], name
        assert container["resources"]["limits"]["memory"], name
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}, name


def test_a_redis_that_is_away_takes_no_pod_away() -> None:
    (web,) = [pod for name, pod in pods() if name == "Deployment/web"]
    probe = web["containers"][0]["readinessProbe"]["httpGet"]["path"]
    path, _, needed = probe.partition("?need=")
    assert path == "/readyz"
    assert set(needed.split(",")) == set(health.CHECKS) - {"cache", "broker"}


def test_a_pod_computes_as_many_hashes_as_it_has_memory_for_whatever_node_it_is_on() -> None:
    """Without a limit of processor time a process counts its node's cores."""
    (settings,) = [document["data"] for document in MANIFESTS if document["kind"] == "ConfigMap"]
    assert settings["PASSWORD_HASH_SLOTS"] == "1"
    named = {name.removesuffix("_FILE") for name in settings} - {"DJANGO_SETTINGS_MODULE"}
    assert named <= set(NAMED_IN_CODE)


def test_the_secrets_of_kubernetes_are_those_that_the_command_makes_and_the_pods_read(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(ROOT / "deploy" / "make-secrets"), str(tmp_path)], check=True)
    taken = set(re.findall(r"--from-file=(\w+)", KUBERNETES))
    assert taken <= {path.name for path in tmp_path.iterdir()}
    (settings,) = [document["data"] for document in MANIFESTS if document["kind"] == "ConfigMap"]
    assert {value.removeprefix("/secrets/") for name, value in settings.items() if name.endswith("_FILE")} == taken


def test_no_page_has_secrets_made_where_git_would_take_them() -> None:
    for page in DOCS.rglob("*.md"):
        for folder in re.findall(r"^deploy/make-secrets *(\S*)$", page.read_text(), re.MULTILINE):
            assert folder == "" or folder.startswith("~/"), page


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
