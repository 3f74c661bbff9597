"""What beat has the worker do, by real processes: what is over is deleted, and the audit trail is sealed."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import redis

from tests.faults.private import CLIENT, client_of, provisioned, with_apps
from tests.support.databases import fresh_database, manage
from tests.support.server import provision, serve
from tests.support.visual_guard import SUCCESS

pytestmark = [pytest.mark.slow, pytest.mark.postgresql_only, pytest.mark.timeout(500)]

# Each kind of row that a sign-in leaves, of a day that is long over.
AGED = """
UPDATE mfa_authenticationrequest SET expires_at = expires_at - interval '40 days';
UPDATE mfa_enrolment SET expires_at = expires_at - interval '40 days';
UPDATE mfa_challenge SET expires_at = expires_at - interval '40 days';
UPDATE mfa_delivery SET finished_at = now() - interval '40 days', state = 'sent';
UPDATE mfa_sendingbudget SET window_started = window_started - 40 * 86400;
UPDATE mfa_passwordreset SET expires_at = expires_at - interval '40 days', handled_at = now();
UPDATE identity_refreshtoken SET expires = expires - interval '40 days';
UPDATE identity_session SET last_used_at = last_used_at - interval '60 days';
UPDATE identity_passwordtries SET updated = updated - 40 * 86400000::bigint, locked_until = 0;
"""
TABLES = [line.split()[1] for line in AGED.strip().splitlines()]


def until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.2)
    return False


def test_what_is_over_goes_and_the_trail_is_sealed_without_a_hand(redis_url: str, tmp_path: Path) -> None:
    redis.Redis.from_url(redis_url).flushdb()
    declared = provisioned(3)
    declared["users"][1] |= {"email": "p1@mail.example", "email_verified": True}
    with fresh_database(tmp_path) as url, psycopg.connect(url, autocommit=True) as database:
        provision(url, declared)
        phones = with_apps({"DATABASE_URL": url}, 1)

        def counted(table: str) -> int:
            row = database.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
            assert row
            return int(row[0])

        with serve(url, tmp_path) as server:
            holder = client_of(server, "p0")
            signed_in = holder.code_step(holder.password_step(scope="VGToken offline_access"), phones["p0"].code())
            assert signed_in.status == SUCCESS
            newcomer = client_of(server, "p2")
            newcomer.password_step(Password="wrong")
            pending = newcomer.password_step()
            newcomer.qr(pending.request_id)
            newcomer.password_step(Password="wrong")
            by_mail = client_of(server, "p1")
            asked = by_mail.password_step()
            by_mail.token(
                AuthenticationRequestId=asked.request_id, MFAAvailableId=asked.factor_id("Email"), MFAAction="SendOTP"
            )
            by_mail.send("POST", "/api/account/password/reset", data={"client_id": CLIENT, "Username": "p1"})
            before = {table: counted(table) for table in TABLES}
            assert [table for table, count in before.items() if not count] == []
        kept = counted("identity_auditevent")
        database.execute(AGED)

        said = {"REDIS_URL": redis_url}
        with serve(url, tmp_path, background=True, environment=said) as server:
            assert until(lambda: not any(counted(table) for table in TABLES), 120), {
                table: counted(table) for table in TABLES
            }
            sealed = "SELECT count(*) FROM identity_auditevent WHERE id > (SELECT coalesce(max(last_id), 0) FROM identity_auditseal)"
            assert until(lambda: database.execute(sealed).fetchone() == (0,), 250), server.log_text()
            assert counted("identity_auditevent") == kept, "the trail is not swept before its time"
            holder = client_of(server, "p0")
            assert holder.code_step(holder.password_step(), phones["p0"].next_code()).status == SUCCESS
            assert until(lambda: '"audit sealed"' in server.log_text(), 30)
            lines = [json.loads(line) for line in server.log_text().splitlines() if '"audit sealed"' in line]
            head = f"{lines[-1]['number']}:{lines[-1]['mac']}"
            environment = {"DATABASE_URL": url, "STEPWARD_VAR": str(tmp_path)}
            assert "Head: " in manage("verify_audit", "--head", head, environment=environment)

        # Who administers the database goes past the triggers; the command ends with 1 and says what is gone.
        newest = database.execute("SELECT max(last_id) FROM identity_auditseal").fetchone()
        assert newest
        with database.transaction():
            database.execute("SET LOCAL session_replication_role = replica")
            database.execute("DELETE FROM identity_auditevent WHERE id = %s", newest)
        with pytest.raises(AssertionError, match=f"missing: event {newest[0]}"):
            manage("verify_audit", environment=environment)
