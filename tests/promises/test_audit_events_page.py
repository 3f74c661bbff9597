"""`docs/reference/audit-events.md` lists every event that the code records, with every reason it gives."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from mfa.models.challenge import ChallengeState

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "audit-events.md").read_text()
LISTED = set(re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \|", PAGE, re.MULTILINE))
EVENT = re.compile(r"[a-z_]+\.[a-z_]+")
# Their names are put together from two parts, each of which a test below asks for.
CHALLENGES = {f"challenge.{state.value}" for state in (ChallengeState.APPROVED, ChallengeState.REFUSED)}
PANEL_VERBS = {"created", "changed", "removed"}


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for app in ("identity", "mfa"):
        for path in sorted((ROOT / app).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path, ast.parse(path.read_text())


def recording(tree: ast.Module) -> Iterator[ast.Call]:
    """Calls of `audit.record` and `event_of`, and of the module's helpers around them: what is given an event's name."""
    helpers = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and takes_a_name(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name.lstrip("_").startswith("record") or name == "event_of" or name in helpers:
                yield node


def takes_a_name(function: ast.FunctionDef) -> bool:
    """Whether it has a parameter `event: str`."""
    taken = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return any(each.arg == "event" and each.annotation and ast.unparse(each.annotation) == "str" for each in taken)


def texts(node: ast.AST) -> set[str]:
    return {part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)}


def events_in_the_code() -> set[str]:
    found = set()
    for _path, tree in modules():
        for call in recording(tree):
            for argument in [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "event")]:
                if not isinstance(argument, ast.JoinedStr):
                    found |= {text for text in texts(argument) if EVENT.fullmatch(text)}
    return found


def events_of_the_panel() -> set[str]:
    """`event = "client"` of each page, with every verb that the panel records."""
    subjects, verbs = set(), set(PANEL_VERBS)
    for path, tree in modules():
        if "admin" not in path.parts:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "event":
                subjects |= texts(node.value)
        for call in recording(tree):
            if ast.unparse(call.func) == "self.record":
                verbs |= texts(call.args[2])
    return {f"{subject}.{verb}" for subject in subjects for verb in verbs}


def test_a_helper_is_known_by_what_it_is_given() -> None:
    code = """
def _told(user: User, event: str) -> AuditEvent: ...
def _kept(event: AuditEvent) -> None: ...
_told(user, "a.told"), audit.event_of("an.event"), audit.record("a.record"), self._record(user, "a.helper")
_kept("no.name"), log.info("no.event")
"""
    found = [text for call in recording(ast.parse(code)) for text in sorted(texts(call))]
    assert sorted(found) == ["a.helper", "a.record", "a.told", "an.event"]
    assert {"enrolment.begun", "enrolment.confirmed"} <= events_in_the_code()


def test_every_event_of_the_code_is_listed() -> None:
    assert events_in_the_code() | CHALLENGES <= LISTED


def test_every_listed_event_is_in_the_code() -> None:
    assert events_in_the_code() | CHALLENGES | events_of_the_panel() >= LISTED


def test_every_verb_of_the_panel_is_listed_with_some_subject() -> None:
    possible = events_of_the_panel()
    assert {event.partition(".")[2] for event in possible} <= {event.partition(".")[2] for event in LISTED}
    assert {event.partition(".")[0] for event in possible} <= {event.partition(".")[0] for event in LISTED}


def test_every_reason_that_the_code_spells_out_is_on_the_page() -> None:
    reasons: set[str] = set()
    for path, tree in modules():
        for call in recording(tree):
            for keyword in call.keywords:
                if keyword.arg == "reason":
                    reasons |= {text for text in texts(keyword.value) if re.fullmatch(r"[a-z]+(_[a-z]+)*", text)}
            if path.name == "second_step.py" and len(call.args) > 2:
                reasons |= texts(call.args[2])
    assert "sending_budget_spent" in reasons
    assert {reason for reason in reasons if f"`{reason}`" not in PAGE} == set()
