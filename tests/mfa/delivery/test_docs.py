"""docs/reference/messages.md names every message, and its numbers are the code's."""

import re
import subprocess
import sys
from pathlib import Path

from django.conf import settings

from mfa.delivery import budget
from mfa.flows.notices import NOTICES
from tests.support.production_settings import environment

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


def test_words_of_ones_own_are_sent_instead_of_ours(tmp_path: Path) -> None:
    """By the settings module of the page, under production settings."""
    (module,) = re.findall(r"```python\n(.*?)```", section("Words of your own"), re.DOTALL)
    (tmp_path / "stepward_settings.py").write_text(module.replace("/srv/stepward/own", str(tmp_path)))
    own = tmp_path / "templates" / "mfa" / "messages" / "en" / "sign_in_code.txt"
    own.parent.mkdir(parents=True)
    words = "{% extends layout %}{% block sms %}Hello from the harbour: {{ code }}{% endblock %}"
    own.write_text(words)
    render = (
        "import django; django.setup()\n"
        "from mfa.delivery import messages\n"
        "print(messages.sms('sign_in_code', 'en', {'code': '246802'}))\n"
        "print(messages.sms('password_changed', 'en', {}))"
    )
    said = {**environment(), "DJANGO_SETTINGS_MODULE": "stepward_settings", "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", render], cwd=settings.BASE_DIR, env=said, capture_output=True, text=True, check=True
    )
    first, second = done.stdout.splitlines()[0], done.stdout
    assert first == "Hello from the harbour: 246802"
    assert "your password was changed" in second
