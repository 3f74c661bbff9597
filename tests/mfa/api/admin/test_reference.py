"""`docs/reference/admin-api.md`: its lines do what the page says, and its tables are the server's."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from config import openapi
from identity.models import AuditEvent, Client, User
from identity.models.user import AdminRole
from mfa.admin.acts import ACTS
from mfa.api.admin import paging
from mfa.models import MfaPolicy
from tests.factories import PASSWORD, enrol_app, make_user

ROOT = Path(__file__).resolve().parents[4]
PAGE = (ROOT / "docs" / "reference" / "admin-api.md").read_text()
PREFIX = "/api/admin/"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.django_db(transaction=True)
def test_the_walk_does_what_the_page_says(live_server: LiveServer, settings: Settings, tmp_path: Path) -> None:
    settings.PUBLIC_URL, settings.ALLOWED_HOSTS = live_server.url, ["*"]
    (tmp_path / "clients.yaml").write_text(blocks("yaml")[0])
    call_command("provision", str(tmp_path / "clients.yaml"))
    phone = enrol_app(make_user(username="anna", admin_role=AdminRole.OWNER))
    make_user(username="carla")
    make_user(username="dora")
    lines = "\n".join(blocks("sh"))
    for written, meant in (
        ("http://localhost:5000", live_server.url),
        ("correct horse battery staple", PASSWORD),
        ("CODE=123456", f"CODE={phone.code()}"),
    ):
        assert lines.count(written) == 1
        lines = lines.replace(written, meant)
    done = subprocess.run(
        ["bash", "-euo", "pipefail"], input=lines, cwd=tmp_path, text=True, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(answers) == 10
    overview, _ben, link, page, locked, events, unlocked, changed, client, policy = answers
    assert overview["asking"]["username"] == "anna"
    assert link["shown_once"].startswith(f"{live_server.url}/account/bootstrap/")
    assert [row["username"] for row in page["results"]] == ["ben", "carla"]
    assert page["next_cursor"]
    assert (locked["done"], unlocked["done"]) == ("The account is locked.", "The account is unlocked.")
    assert [event["detail"]["reason"] for event in events["results"]] == ["laptop stolen, ticket 4711"]
    ben = User.objects.get(username="ben")
    assert (ben.must_change_password, ben.locked_by_administrator_at) == (True, None)
    assert changed["subject"] == str(ben.subject)
    assert len(client["client_secret"]) > 30
    assert MfaPolicy.objects.get().client == Client.objects.get(client_id="payroll")
    assert policy["transports"] == ["MicrosoftAuthenticator"]
    assert AuditEvent.objects.filter(actor_name="anna").count() == 7


def test_the_page_lists_every_operation_with_its_methods() -> None:
    listed: dict[str, set[str]] = {}
    for addresses, methods in re.findall(r"^\| (`/api/admin/[^|]*) \| ([A-Z,; ]+) \|", PAGE, re.MULTILINE):
        for address, each in zip(re.findall(r"`([^`]+)`", addresses), methods.split(";"), strict=True):
            listed[address] = {method.strip() for method in each.split(",")}
    served = {
        address: {method.upper() for method in item}
        for address, item in openapi.document()["paths"].items()
        if address.startswith(PREFIX)
    }
    assert listed == served


def test_the_page_names_every_filter_and_every_act() -> None:
    for address, item in openapi.document()["paths"].items():
        if address.startswith(PREFIX):
            asked = {each["name"] for each in item.get("get", {}).get("parameters", []) if each["in"] == "query"}
            row = next(line for line in PAGE.splitlines() if f"`{address}`" in line)
            assert {name for name in asked - {"cursor", "limit"} if f"`{name}`" not in row} == set(), address
    assert all(f"`{act}`" in PAGE for act in ACTS)


def test_the_page_says_how_large_a_page_is_and_how_far_it_looks() -> None:
    assert f"`limit` is {paging.USUAL} unless given, {paging.MOST} at most" in PAGE
    assert f"looks through {paging.REACH:,} rows" in PAGE
