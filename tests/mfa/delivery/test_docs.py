"""docs/reference/messages.md names every message, and its numbers are the code's."""

import re

from django.conf import settings

from mfa.delivery import budget
from mfa.flows.notices import NOTICES

PAGE = (settings.BASE_DIR / "docs" / "reference" / "messages.md").read_text()
FOLDER = settings.BASE_DIR / "mfa" / "templates" / "mfa" / "messages" / "en"


def section(title: str) -> str:
    return re.split(r"^## ", PAGE.split(f"## {title}\n")[1], flags=re.MULTILINE)[0]


def test_every_message_stands_on_the_page_and_no_other() -> None:
    named = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert sorted(named) == sorted(path.stem for path in FOLDER.glob("[!_]*.txt"))


def test_notices_are_told_apart_from_codes() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", section("Notices"), re.MULTILINE)) == set(NOTICES)


def test_the_budgets_are_those_of_the_code() -> None:
    rows = [[int(number) for number in re.findall(r"\| (\d+)", row)] for row in section("Budgets").splitlines()]
    numbers = [row for row in rows if row]
    assert numbers == [[limit.messages for limit in each] for each in (budget.EACH_DESTINATION, budget.EACH_USER)]
    assert all(limit.window in (600, 86400) for limit in (*budget.EACH_DESTINATION, *budget.EACH_USER))
    notices = [limit.messages for limit in budget.EACH_NOTICE]
    assert f"{notices[0]} times in ten minutes and {notices[1]} times a day" in section("Notices")
