"""What one sign-in costs: processor time in the web processes and in PostgreSQL, and bytes that stay in the database.

`python -m bench.unit_costs [PEOPLE]` starts a private PostgreSQL and one server with the real Argon2 parameters. So
many people sign in by app (password step, code step, tokens). Prints JSON. Processor time is read from /proc, so that
a busy machine changes the figures little.
"""

import json
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg

from tests.config.test_serving import descendants
from tests.faults.private import client_of, private, provisioned, with_apps
from tests.support.databases import manage
from tests.support.server import provision, serve
from tests.support.visual_guard import FACTOR_REQUIRED, SUCCESS, Answer, VisualGuardClient

Opened = tuple[VisualGuardClient, Answer, str]
TICKS = os.sysconf("SC_CLK_TCK")
SETTINGS = {"DJANGO_SETTINGS_MODULE": "config.settings.development", "REDIS_URL": "", "RATE_LIMIT": "0"}
TABLES = (
    *("identity_auditevent", "identity_session", "identity_accesstoken", "identity_refreshtoken"),
    *("mfa_authenticationrequest", "mfa_authenticator", "mfa_datakey", "identity_user"),
)


def processor_seconds(pids: list[int]) -> float:
    """User and system time of these processes, with that of their ended children."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += sum(int(field) for field in fields[11:15])
    return total / TICKS


def main(people: int) -> dict[str, float]:
    """Measure, and return milliseconds and bytes a sign-in."""
    with tempfile.TemporaryDirectory() as folder, private("postgresql") as services:
        url = services.urls["database_url"]
        said = {**SETTINGS, "DATABASE_URL": url, "STEPWARD_VAR": f"{folder}/var"}
        manage("migrate", "--verbosity", "0", environment=said)
        provision(url, provisioned(people), said)
        phones = with_apps(said, people)
        with serve(url, Path(folder), workers=2, environment=said) as server:
            web = [server.process.pid, *descendants(server.process.pid)]
            database = services.running["postgresql"].pid

            def costs() -> tuple[float, float, float]:
                time.sleep(1)
                return (
                    time.perf_counter(),
                    processor_seconds(web),
                    processor_seconds([database, *descendants(database)]),
                )

            def password(name: str) -> Opened:
                client = client_of(server, name)
                answer = client.password_step(scope="openid offline_access")
                assert answer.status == FACTOR_REQUIRED
                return client, answer, name

            def code(opened: Opened) -> None:
                client, answer, name = opened
                assert client.code_step(answer, phones[name].code()).status == SUCCESS

            with ThreadPoolExecutor(8) as callers:
                names = list(phones)
                list(callers.map(code, list(callers.map(password, names[: people // 5]))))
                sizes = _sizes(url)
                rest = names[people // 5 :]
                start = costs()
                opened = list(callers.map(password, rest))
                middle = costs()
                list(callers.map(code, opened))
                end = costs()
            grown = {table: size - sizes[table] for table, size in _sizes(url).items()}
        count = len(rest)
        return {
            "sign_ins": count,
            "web_ms_password_step": round((middle[1] - start[1]) / count * 1000, 1),
            "web_ms_code_step": round((end[1] - middle[1]) / count * 1000, 1),
            "postgresql_ms_password_step": round((middle[2] - start[2]) / count * 1000, 2),
            "postgresql_ms_code_step": round((end[2] - middle[2]) / count * 1000, 2),
            **{f"bytes_{table}": round(size / count) for table, size in grown.items()},
        }


def _sizes(url: str) -> dict[str, int]:
    """Bytes of live rows and of their share of the indexes; pages that are only half full would count twice."""
    with psycopg.connect(url) as connection:
        connection.execute("ANALYZE")
        return {
            table: connection.execute(
                f"SELECT coalesce(sum(pg_column_size(t.*)), 0) + pg_indexes_size('{table}') FROM {table} t"  # noqa: S608
            ).fetchone()[0]  # type: ignore[index]
            for table in TABLES
        }


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]) if len(sys.argv) > 1 else 150), indent=1))
