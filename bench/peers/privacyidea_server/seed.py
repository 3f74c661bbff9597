"""Fills the peer: `python -m privacyidea_server.seed` reads calls as lines of JSON.

["people", WITH, WITHOUT]   people with a TOTP token, every second one with the password as its PIN, and people
                            without; answers with the token of an administrator who may enrol them
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit


def people(having: int, lacking: int) -> str:
    from privacyidea_server.application import application

    with application.app_context():
        _installation(having + lacking)
        from privacyidea.lib.token import init_token
        from privacyidea.lib.user import User

        for number in range(having):
            key = hashlib.sha256(f"bench secret {number}".encode()).hexdigest()[:40]
            pin = {"pin": os.environ["BENCH_PASSWORD"]} if number % 2 else {}
            init_token({"type": "totp", "otpkey": key, **pin}, User(f"p{number}", realm="bench"))
    answer = application.test_client().post(
        "/auth", data={"username": "enroller", "password": os.environ["BENCH_PASSWORD"]}
    )
    return str(answer.json["result"]["value"]["token"])


def _installation(count: int) -> None:
    """Tables, people in one of their own, the realm, the administrator, and that an enrolment is verified."""
    from privacyidea.lib.auth import create_db_admin
    from privacyidea.lib.policy import SCOPE, set_policy
    from privacyidea.lib.realm import set_default_realm, set_realm
    from privacyidea.lib.resolver import save_resolver
    from privacyidea.models import db
    from sqlalchemy import text

    db.create_all()
    db.session.execute(text("CREATE TABLE people (id integer PRIMARY KEY, username text UNIQUE, password text)"))
    db.session.execute(
        text("INSERT INTO people SELECT n + 1, 'p' || n, '' FROM generate_series(0, :last) AS n"), {"last": count - 1}
    )
    db.session.commit()
    url = urlsplit(os.environ["DATABASE_URL"])
    save_resolver(
        {
            "resolver": "people",
            "type": "sqlresolver",
            "Driver": "postgresql+psycopg",
            "Server": url.hostname,
            "Port": url.port,
            "Database": url.path.lstrip("/"),
            "User": url.username,
            "Password": unquote(url.password or ""),
            "Table": "people",
            "Map": json.dumps({"userid": "id", "username": "username", "password": "password"}),
        }
    )
    set_realm("bench", [{"name": "people"}])
    set_default_realm("bench")
    create_db_admin("enroller", "enroller@mail.example", os.environ["BENCH_PASSWORD"])
    set_policy("verified", scope=SCOPE.ENROLL, action="verify_enrollment=totp")


if __name__ == "__main__":
    manage = str(Path(sys.executable).with_name("pi-manage"))
    told = {**os.environ, "PRIVACYIDEA_CONFIGFILE": str(Path(__file__).with_name("pi_cfg.py"))}
    for made in ("create_enckey", "create_audit_keys"):
        subprocess.run([manage, "setup", made], env=told, check=True, stdout=subprocess.DEVNULL)
    for line in sys.stdin:
        verb, *given = json.loads(line)
        answer = {"people": people}[verb](*given)
        print(json.dumps(answer), flush=True)
