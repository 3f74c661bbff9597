"""A fresh, migrated database for real server processes, in milliseconds: a copy of one that was migrated once a run."""

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

ROOT = Path(__file__).resolve().parents[2]
# Any number will do; workers that want the template at the same time wait for the first.
TEMPLATE_LOCK = 0x57E9


def named(url: str, name: str) -> str:
    """The same server's database `name`."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def manage(*arguments: str, environment: dict[str, str], given: str | None = None) -> str:
    """Run manage.py as an operator does; returns what it printed and fails with all of it."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.test", **environment},
        input=given,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, f"manage.py {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}"
    return done.stdout


@contextmanager
def fresh_database(folder: Path) -> Iterator[str]:
    """The URL of an empty migrated database on the run's engine; dropped at the end. SQLite's file lies in `folder`."""
    server = os.environ["DATABASE_URL"]
    copies = _sqlite_copy(folder) if server.startswith("sqlite") else _postgresql_copy(server)
    with copies as url:
        yield url


@contextmanager
def _postgresql_copy(server: str) -> Iterator[str]:
    name = f"stepward_{secrets.token_hex(6)}"
    with psycopg.connect(server, autocommit=True) as connection:
        template = _template(connection, server)
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )
        try:
            yield named(server, name)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _template(connection: psycopg.Connection[tuple[object, ...]], server: str) -> str:
    name = f"stepward_template_{os.environ['STEPWARD_TEST_RUN']}"
    connection.execute("SELECT pg_advisory_lock(%s)", [TEMPLATE_LOCK])
    try:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            draft = f"{name}_draft"
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(draft)))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(draft)))
            manage("migrate", "--verbosity", "0", environment={"DATABASE_URL": named(server, draft)})
            rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
            connection.execute(rename.format(sql.Identifier(draft), sql.Identifier(name)))
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", [TEMPLATE_LOCK])
    return name


_sqlite_templates: dict[int, Path] = {}


@contextmanager
def _sqlite_copy(folder: Path) -> Iterator[str]:
    template = _sqlite_templates.get(os.getpid())
    if template is None:
        worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        template = Path(os.environ["STEPWARD_TEST_FOLDER"]) / f"template-{worker}.sqlite3"
        manage("migrate", "--verbosity", "0", environment={"DATABASE_URL": f"sqlite:///{template}"})
        _sqlite_templates[os.getpid()] = template
    path = folder / f"{secrets.token_hex(6)}.sqlite3"
    shutil.copyfile(template, path)
    yield f"sqlite:///{path}"


def drop_template(server: str) -> None:
    """Leave nothing behind on a server that is not ours."""
    name = f"stepward_template_{os.environ['STEPWARD_TEST_RUN']}"
    # Where nobody answers, nothing was made.
    with suppress(psycopg.OperationalError), psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
