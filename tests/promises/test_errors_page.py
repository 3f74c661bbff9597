"""`docs/reference/errors.md` lists each refusal that the code knows."""

import ast
import re
from pathlib import Path

from mfa.api.visualguard import enrolment_schema, password_view

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "errors.md").read_text()


def chapter(heading: str) -> str:
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def test_each_oauth_error_is_listed_with_its_status() -> None:
    listed = {(int(status), error) for status, error in re.findall(r"^\| (\d+) \| `(\w+)` \|", PAGE, re.MULTILINE)}
    raised = set()
    for node in ast.walk(ast.parse((ROOT / "mfa/api/visualguard/token_view.py").read_text())):
        if (
            isinstance(node, ast.Call)
            and ast.unparse(node.func) == "Refused"
            and isinstance(node.args[0], ast.Constant)
        ):
            given = {keyword.arg: keyword.value for keyword in node.keywords}.get("status", ast.Constant(400))
            if isinstance(given, ast.Constant):
                raised.add((given.value, node.args[0].value))
    assert len(raised) >= 5
    assert raised <= listed


def test_each_refusal_of_enrolment_is_listed_by_its_status_and_the_originals() -> None:
    rows = re.findall(r"^\| (\d+) \| (\d*) ?\| ", chapter("`/api/MFAEnrollment/*`"), re.MULTILINE)
    listed = {(int(status), int(member) if member else None) for status, member in rows}
    assert {(status, member) for status, member, _sentence in enrolment_schema.REFUSALS.values()} <= listed


def test_each_status_of_a_password_refusal_is_listed() -> None:
    statuses = {int(status) for status in re.findall(r"\| (\d{3}) \|", chapter("`/api/account/*`"))}
    refused = {*password_view._REFUSALS.values(), *password_view._RESET_REFUSALS.values()}
    assert {status for status, _sentence in refused} <= statuses
