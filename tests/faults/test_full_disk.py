"""The disk under SQLite is full: 503, nothing half done, and all is well once there is room again."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.private import client_of, get, provisioned, with_apps
from tests.support.databases import manage
from tests.support.server import provision, serve
from tests.support.visual_guard import FACTOR_REQUIRED, SUCCESS

pytestmark = pytest.mark.timeout(180)


def test_a_full_disk_is_503_and_spends_nothing(tmp_path: Path) -> None:
    file = tmp_path / "full.sqlite3"
    said = {"DATABASE_URL": f"sqlite:///{file}", "REDIS_URL": ""}
    manage("migrate", "--verbosity", "0", environment=said)
    provision(said["DATABASE_URL"], provisioned(1), said)
    phone = with_apps(said, 1)["p0"]
    with serve(said["DATABASE_URL"], tmp_path, environment=said) as server:
        assert client_of(server, "p0").password_step().status == FACTOR_REQUIRED  # The first one makes the keys.
    with closing(sqlite3.connect(file)) as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
    limit = tmp_path / "pages"
    limit.write_text(str(pages))
    full = {**said, "DJANGO_SETTINGS_MODULE": "tests.faults.full_disk_settings", "STEPWARD_TEST_PAGES": str(limit)}
    with serve(said["DATABASE_URL"], tmp_path, environment=full) as server:
        client = client_of(server, "p0")
        answers = [client.password_step() for _ in range(60)]
        refused = [answer for answer in answers if answer.http_status != 400]
        assert refused, "the disk was never full"
        assert {answer.http_status for answer in refused} == {503}
        assert int(refused[0].headers["retry-after"]) > 0
        code, opened = phone.code(), answers[0]
        assert client.code_step(opened, code).http_status in (400, 503)
        assert get(server, "/healthz").http_status == 200
        # There is room again, and the same server goes on; neither the code nor a try was spent by what was refused.
        limit.write_text(str(pages * 10))
        client = client_of(server, "p0")
        assert client.code_step(client.password_step(), code).status == SUCCESS
        assert '"unhandled"' not in server.log_text()
