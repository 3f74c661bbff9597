"""Redis goes away: sign-in by app goes on, and whoever guesses wins nothing by it (ATTACKS A23)."""

import signal
import time
from pathlib import Path

import pytest

from tests.faults.private import client_of, get, private, provisioned, with_apps
from tests.support.databases import fresh_database
from tests.support.server import provision, serve
from tests.support.visual_guard import CANCELLED, LOCKED_OUT, SUCCESS, WRONG_CODE, WRONG_PASSWORD

pytestmark = [pytest.mark.postgresql_only, pytest.mark.timeout(180)]


def test_without_redis_the_limits_hold_and_sign_in_by_app_goes_on(tmp_path: Path) -> None:
    with private("redis") as services, fresh_database(tmp_path) as url:
        said = {"REDIS_URL": services.urls["redis_url"], "RATE_LIMIT": "100000"}
        provision(url, provisioned(4))
        phones = with_apps({"DATABASE_URL": url}, 4)
        with serve(url, tmp_path, workers=2, environment=said) as server:
            guesser = client_of(server, "p0")
            before = guesser.password_step()
            wrong = phones["p0"].wrong_code()
            assert [guesser.code_step(before, wrong).status for _ in range(3)] == [WRONG_CODE] * 3
            assert get(server, "/readyz").http_status == 200

            services.stop("redis", signal.SIGTERM)
            ready = get(server, "/readyz")
            assert (ready.http_status, ready.document["failing"]) == (503, ["cache", "broker"])

            # The tries of before still count: the fifth ends the request, and the authenticator rests.
            assert guesser.code_step(before, wrong).status == WRONG_CODE
            assert guesser.code_step(before, wrong).status == WRONG_CODE | CANCELLED
            resting = guesser.password_step()
            assert guesser.code_step(resting, phones["p0"].code()).status == WRONG_CODE

            # Passwords: five tries a name and network, and the right one does not help after that.
            tries = [client_of(server, "p1").password_step(Password=f"wrong {n}").status for n in range(6)]
            assert tries[0] == WRONG_PASSWORD
            assert client_of(server, "p1").password_step().status & LOCKED_OUT == LOCKED_OUT

            started = time.monotonic()
            honest = client_of(server, "p2")
            assert honest.code_step(honest.password_step(), phones["p2"].code()).status == SUCCESS
            assert time.monotonic() - started < 10

            services.start_again("redis")
            deadline = time.monotonic() + 60
            while get(server, "/readyz").http_status != 200:
                assert time.monotonic() < deadline
                time.sleep(0.2)
            assert '"unhandled"' not in server.log_text()
