"""Two deployments run the same file at the same moment: one makes it true, the other finds it so."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.support.databases import ROOT, fresh_database, manage

STATE = {
    "clients": [{"client_id": "one", "mfa": {"mode": "optional"}}],
    "groups": [{"name": "staff", "clients": ["*"], "mfa": {}}],
    "mfa": {"mode": "required"},
    "users": [
        {"username": f"person{number}", "email": f"p{number}@a.example", "email_verified": True, "groups": ["staff"]}
        for number in range(20)
    ],
}


def test_two_runs_at_once_make_one_state(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(json.dumps(STATE))
    with fresh_database(tmp_path) as url:
        environment = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "config.settings.test"}
        runs = [
            subprocess.Popen(
                [sys.executable, "manage.py", "provision", str(tmp_path / "state.json")],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for _ in range(2)
        ]
        said = [run.communicate(timeout=60)[0] for run in runs]
        dumped = json.loads(manage("dumpdata", "identity.user", "mfa", environment={"DATABASE_URL": url}))
    assert [run.returncode for run in runs] == [0, 0], said
    assert sorted("Nothing changed" in text for text in said) == [False, True], said
    counts = {
        name: sum(row["model"] == name for row in dumped)
        for name in ("identity.user", "mfa.authenticator", "mfa.mfapolicy")
    }
    assert counts == {"identity.user": 20, "mfa.authenticator": 20, "mfa.mfapolicy": 3}
