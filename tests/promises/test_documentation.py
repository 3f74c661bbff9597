"""The documentation names files, functions and pages that there are, in words of this house."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])
CODE_SPAN = re.compile(r"`((?:config|identity|mfa|tests|demo)/[\w/.-]+\.\w+)`((?:,? `\w+`)*)")


def names_in(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_file_that_a_page_names_exists(page: Path) -> None:
    for file, _names in CODE_SPAN.findall(page.read_text()):
        assert (ROOT / file).exists(), file


def test_each_hop_of_the_traced_sign_in_names_what_is_in_its_file() -> None:
    hops = re.findall(
        r"^\| \d+ \| ([^|]+) \|", (DOCS / "explanation" / "a-sign-in-traced.md").read_text(), re.MULTILINE
    )
    assert len(hops) == 29
    for hop in hops:
        for file, names in CODE_SPAN.findall(hop):
            wanted = set(re.findall(r"`(\w+)`", names))
            assert wanted <= names_in(ROOT / file), hop


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), target


def test_the_index_leads_to_every_page() -> None:
    index = (DOCS / "README.md").read_text()
    linked = {(DOCS / target).resolve() for target in re.findall(r"\]\(([^)#]+)\)", index)}
    found = {page.resolve() for page in DOCS.rglob("*") if page.suffix in (".md", ".http", ".json")}
    decisions = {page.resolve() for page in (DOCS / "decisions").iterdir()}
    assert (DOCS / "decisions").resolve() in linked
    assert found - decisions - linked - {(DOCS / "README.md").resolve()} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_writes_enrolment_the_british_way(page: Path) -> None:
    prose = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)", "", page.read_text(), flags=re.DOTALL)
    assert not re.findall(r"\benrollments?\b|\bauthoriz(?:es|ing)\b|\bbehavior", prose)


def test_each_test_that_the_threat_model_names_exists() -> None:
    page = (DOCS / "explanation" / "threat-model.md").read_text()
    named = set(re.findall(r"`(test_\w+)`", page))
    assert len(named) > 50
    assert named <= {name for path in (ROOT / "tests").rglob("test_*.py") for name in names_in(path)}
