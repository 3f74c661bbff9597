"""`docs/reference/states.md` lists every flag, and every test that it names exists and sets that flag."""

import ast
import re
from pathlib import Path

import pytest

from mfa.api.visualguard import flags

ROOT = Path(__file__).resolve().parents[2]
NEVER_SENT = {"UserNotFound", "UserNotFoundInCustomStorage", "CustomProviderError"}
PAGE = (ROOT / "docs" / "reference" / "states.md").read_text()
ROWS = {
    name: (int(value), boolean, what, test.strip("`"))
    for value, name, boolean, what, test in re.findall(
        r"^\| (\d+) \| (\w+) \| ([^|]*?) \| ([^|]+) \| ([^|]+) \|$", PAGE, re.MULTILINE
    )
}


def test_the_table_has_each_flag_with_its_number() -> None:
    assert {name: row[0] for name, row in ROWS.items()} == {flag.name: int(flag) for flag in flags.Status}
    assert len(ROWS) == 29


def test_the_table_names_the_boolean_that_each_flag_decides() -> None:
    usual = flags.booleans(flags.Status(0))
    for name, (_value, boolean, _what, _test) in ROWS.items():
        changed = {each for each, value in flags.booleans(flags.Status[name]).items() if value != usual[each]}
        assert changed == ({boolean.removesuffix(", negated")} - {""}), name


@pytest.mark.parametrize("name", sorted({flag.name or "" for flag in flags.Status} - NEVER_SENT))
def test_the_test_that_sets_the_flag_exists_and_names_it(name: str) -> None:
    path, _, function = ROWS[name][3].partition("::")
    tree = ast.parse((ROOT / path).read_text())
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function]
    assert found, f"{path} has no {function}"
    texts = {node.value for node in ast.walk(found[0]) if isinstance(node, ast.Constant)}
    assert name in texts, f"{function} never speaks of {name}"


def test_what_is_never_sent_is_explained_and_nothing_can_send_it() -> None:
    explained = PAGE.partition("## Never sent")[2]
    reachable = flags.Status(0)
    for status in flags._STATUS_OF.values():
        reachable |= status
    assert {flag.name for flag in flags.Status if flag not in reachable} == NEVER_SENT
    for name in NEVER_SENT:
        assert f"**{name}** ({int(flags.Status[name])})" in explained
        assert "Never sent" in ROWS[name][2]
