"""What an operator is given to run: the compose file, the image's recipe, the proxy, the alerts, the dashboard."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.databases import ROOT, fresh_database
from tests.support.server import Server, serve

pytestmark = pytest.mark.timeout(300)

PROGRAMS = Path(sys.executable).parent
PROFILES = ["--profile", "bench", "--profile", "observability"]
PINNED = re.compile(r":v?\d+\.\d+\.?\d*(-[a-z]+)*@sha256:[0-9a-f]{64}$")


def compose(*arguments: str, environment: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(PROGRAMS / "docker-compose"), "--file", str(ROOT / "docker-compose.yml"), *arguments],
        cwd=ROOT,
        env={"PATH": os.defpath, "HOME": "/nonexistent", **(environment or {})},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    """The compose file as the real Compose understands it, with nothing set."""
    done = compose(*PROFILES, "config", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr, done.stderr
    return dict(json.loads(done.stdout))


def test_compose_understands_the_file_with_nothing_set(described: dict[str, Any]) -> None:
    assert {"proxy", "web", "worker", "beat", "migrate", "postgres", "redis"} <= set(described["services"])


def test_observability_and_bench_start_only_when_asked_for() -> None:
    started = compose("config", "--services").stdout.split()
    assert sorted(started) == ["beat", "migrate", "postgres", "proxy", "redis", "web", "worker"]


OVERRIDES = [
    block
    for page in sorted((ROOT / "docs").rglob("*.md"))
    for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)
    if re.search(r"^services:", block, re.MULTILINE)
]


@pytest.mark.parametrize("override", OVERRIDES)
def test_what_a_page_adds_to_the_compose_file_fits_it(override: str, tmp_path: Path) -> None:
    (tmp_path / "override.yml").write_text(override)
    done = compose("--file", str(tmp_path / "override.yml"), *PROFILES, "config", "--format", "json")
    assert done.returncode == 0, done.stderr
    for name, service in json.loads(done.stdout)["services"].items():
        assert service["image"].startswith("stepward") or PINNED.search(service["image"]), name


def test_what_measures_needs_no_network_writes_nothing_and_is_somebody(described: dict[str, Any]) -> None:
    bench = described["services"]["bench"]
    assert {"--no-peers", "--no-write"} <= set(bench["command"])
    assert list(bench["networks"]) == ["inside"]
    assert [volume["type"] for volume in bench["volumes"]] == ["volume"]
    stage = (ROOT / "Dockerfile").read_text().split(" AS bench")[1].split("\nFROM ")[0]
    # The private PostgreSQL is started under the user's name.
    assert re.search(r"useradd --uid 10001 .*USER 10001:10001", stage, re.DOTALL)


def test_at_least_two_web_processes_stand_behind_the_proxy(described: dict[str, Any]) -> None:
    assert described["services"]["web"]["deploy"]["replicas"] >= 2


def test_only_the_proxy_is_published_to_the_world(described: dict[str, Any]) -> None:
    published = {
        name: [port.get("host_ip", "everywhere") for port in service["ports"]]
        for name, service in described["services"].items()
        if service.get("ports")
    }
    assert published.pop("grafana") == ["127.0.0.1"]
    assert list(published) == ["proxy"]


def test_no_service_is_given_a_password_but_through_a_file(described: dict[str, Any]) -> None:
    telling = re.compile(r"PASSWORD|SECRET|KEY|TOKEN|_URL$")
    no_secrets = re.compile(
        r"PUBLIC_URL|STATELESS_SECRET_MODE|PASSWORD_HASH_(SLOTS|QUEUE)|(ACCESS|REFRESH)_TOKEN_LIFETIME"
    )
    for name, service in described["services"].items():
        for variable, value in (service.get("environment") or {}).items():
            if telling.search(variable) and not no_secrets.fullmatch(variable):
                assert value.startswith("/run/secrets/"), f"{name}: {variable}"
                assert variable.endswith("_FILE"), f"{name}: {variable}"


# What the stack says itself: the address by DOMAIN, one proxy before it, and ports and folders inside of the containers.
OWN = {"PUBLIC_URL", "TRUSTED_PROXIES", "PORT", "BIND_ADDRESS", "WORKER_METRICS_PORT", "STEPWARD_VAR", "DEBUG"}
SETTINGS = re.findall(
    r"^\| `([A-Z_]+)` \|", (ROOT / "docs" / "reference" / "settings.md").read_text(), flags=re.MULTILINE
)


def test_every_setting_of_the_reference_reaches_the_services(described: dict[str, Any]) -> None:
    said = {name: f"said-{name}" for name in SETTINGS}
    done = compose("config", "--format", "json", environment=said)
    assert done.returncode == 0, done.stderr
    assert len(SETTINGS) > 20
    for service in ("web", "worker", "beat", "migrate"):
        given = json.loads(done.stdout)["services"][service]["environment"]
        passed_on = {name for name in SETTINGS if given.get(name) == f"said-{name}"}
        from_a_file = {name for name in SETTINGS if given.get(f"{name}_FILE", "").startswith("/run/secrets/")}
        assert {*SETTINGS} - passed_on - from_a_file - OWN == set(), service


def test_what_is_not_said_leaves_the_servers_own_defaults(described: dict[str, Any], tmp_path: Path) -> None:
    tell = "from config.settings import base; print({name: vars(base)[name] for name in dir(base) if name.isupper()})"
    kept = {"PATH": os.environ["PATH"], "STEPWARD_VAR": str(tmp_path), "PUBLIC_URL": "https://localhost"}
    empty = {name: value for name, value in described["services"]["web"]["environment"].items() if value == ""}
    assert len(empty) > 10
    without, beside = (
        subprocess.run([sys.executable, "-c", tell], cwd=ROOT, env=said, check=True, capture_output=True).stdout
        for said in (kept, {**kept, **empty})
    )
    assert beside == without


def test_every_secret_is_made_by_the_documented_command(described: dict[str, Any], tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(ROOT / "deploy" / "make-secrets"), str(tmp_path / "s")], check=True)
    assert {Path(secret["file"]).name for secret in described["secrets"].values()} <= {
        path.name for path in (tmp_path / "s").iterdir()
    }
    assert (tmp_path / "s").stat().st_mode & 0o077 == 0
    # The owner writes the mail server's URL into one; a container's user, who is a stranger here, reads them.
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "s").iterdir()} == {0o644}


def test_making_secrets_twice_keeps_the_first(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "deploy" / "make-secrets"), str(tmp_path)]
    subprocess.run(command, check=True)
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}
    again = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "everything was there" in again.stdout
    assert before == {path.name: path.read_text() for path in tmp_path.iterdir()}


def test_each_service_has_a_limit_and_the_own_ones_no_rights_to_spare(described: dict[str, Any]) -> None:
    for name, service in described["services"].items():
        assert service["deploy"]["resources"]["limits"]["memory"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        if service["image"].startswith("stepward"):
            assert service["read_only"], name
            assert service["cap_drop"] == ["ALL"], name


def test_health_checks_have_no_blank_in_an_argument(described: dict[str, Any]) -> None:
    checked = 0
    for name, service in described["services"].items():
        test = service.get("healthcheck", {}).get("test") or []
        if test:
            assert test[0] == "CMD", name
            assert not [argument for argument in test if " " in argument], name
            checked += 1
    assert checked >= 6


def test_every_foreign_image_is_pinned_to_a_version_and_a_digest(described: dict[str, Any]) -> None:
    foreign = [one["image"] for one in described["services"].values() if not one["image"].startswith("stepward")]
    bases = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    foreign += [base for base in bases if base != "build"]
    assert len(foreign) == 8
    assert [image for image in foreign if not PINNED.search(image)] == []
    # One version of a thing, and nobody's own image by a moving name.
    assert len(set(foreign)) == 6
    for name in ("web", "worker", "beat", "migrate"):
        assert re.fullmatch(r"stepward:\d+\.\d+\.\d+", described["services"][name]["image"])


def test_the_image_runs_without_root_and_without_a_compiler() -> None:
    server = (ROOT / "Dockerfile").read_text().split(" AS server")[1]
    assert "USER 10001:10001" in server
    assert not re.search(r"apt-get|gcc|build-essential|pip install", server)


def test_one_stage_has_a_compiler_and_gives_the_image_what_it_made_alone() -> None:
    stages = re.split(r"^FROM \S+ AS (\w+)$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)[1:]
    named = dict(zip(stages[::2], stages[1::2], strict=True))
    assert [name for name, text in named.items() if "gcc" in text] == ["argon2"]
    made = "/opt/stepward/x86-64-v3"
    taken = [text for text in named.values() if "--from=argon2" in text]
    assert [re.findall(r"COPY --from=argon2 (\S+) (\S+)", text) for text in taken] == [[(made, made)]]
    left_out = (ROOT / ".dockerignore").read_text().splitlines()
    copied = {
        word
        for text in named.values()
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE)
        for word in line.split()
    }
    assert {f"!{name.replace('${DEPENDENCIES}', 'runtime')}" for name in copied} <= {*left_out}


def test_hadolint_has_nothing_to_say() -> None:
    done = subprocess.run([str(PROGRAMS / "hadolint"), str(ROOT / "Dockerfile")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_each_alert_has_a_paragraph_in_the_run_book_and_names_a_metric_that_exists() -> None:
    from identity import metrics

    rules = [
        rule
        for group in yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text())["groups"]
        for rule in group["rules"]
    ]
    run_book = (ROOT / "docs" / "reference" / "run-book.md").read_text()
    reference = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    assert rules
    for rule in rules:
        assert f"## {rule['alert']}\n" in run_book, rule["alert"]
        for name in re.findall(r"stepward_[a-z_]+", rule["expr"]):
            assert re.sub(r"_(total|count|sum|bucket)$", "", name) in reference, name
    declared = re.findall(r'"(stepward_[a-z_]+)"', Path(metrics.__file__).read_text())
    for name in declared:
        assert f"`{name}" in reference, name


def test_no_alert_counts_the_processes_that_tell_instead_of_what_they_tell_of() -> None:
    """Each web process shows the same keys, so one key is as many series as there are processes."""
    file = (ROOT / "deploy" / "alerts.yml").read_text()
    assert "count(count by (kid) (stepward_data_keys > 0)) > 1" in file
    assert not re.findall(r"count\(stepward_", file)


def test_the_dashboard_asks_for_metrics_that_are_documented() -> None:
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "dashboards" / "stepward.json").read_text())
    reference = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(expressions) >= 15
    for name in {name for text in expressions for name in re.findall(r"stepward_[a-z_]+", text)}:
        assert re.sub(r"_(total|count|sum|bucket)$", "", name) in reference, name


# ---------------------------------------------------------------------- each service's own command, as a real process


@pytest.fixture
def secrets(tmp_path: Path) -> Iterator[Path]:
    """deploy/make-secrets's own files, with the URLs of this run's PostgreSQL and Redis in place of the containers'."""
    folder = tmp_path / "secrets"
    subprocess.run([sys.executable, str(ROOT / "deploy" / "make-secrets"), str(folder)], check=True)
    with fresh_database(tmp_path) as url:
        for name, text in (("database_url", url), ("redis_url", os.environ["STEPWARD_TEST_REDIS_URL"])):
            (folder / name).write_text(text)
        yield folder


def as_process(service: dict[str, Any], secrets: Path, log: Path, **more: str) -> "subprocess.Popen[bytes]":
    said = {name: value.replace("/run/secrets", str(secrets)) for name, value in service["environment"].items()}
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    command = [sys.executable, *service["command"][1:]]
    with log.open("wb") as output:
        return subprocess.Popen(
            [re.sub(r"(?<=--schedule=).*", str(secrets / "beat"), part) for part in command],
            cwd=ROOT,
            env={**kept, **said, **more, "STEPWARD_VAR": str(secrets / "var"), "PYTHONUNBUFFERED": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def end(process: "subprocess.Popen[bytes]") -> int:
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def passes(service: dict[str, Any], instead_of: str, port: int) -> bool:
    check = [argument.replace(instead_of, str(port)) for argument in service["healthcheck"]["test"][2:]]
    return subprocess.run([sys.executable, *check], cwd=ROOT).returncode == 0


def free_port() -> int:
    from tests.support.server import _free_port

    return _free_port()


def wait_until(condition: Any, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.3)


@pytest.mark.postgresql_only
def test_the_migration_job_ends_well_and_the_web_service_gets_ready(
    described: dict[str, Any], secrets: Path, tmp_path: Path
) -> None:
    services = described["services"]
    migrate = as_process(services["migrate"], secrets, tmp_path / "migrate.log")
    assert migrate.wait(timeout=120) == 0, (tmp_path / "migrate.log").read_text()
    port, log = free_port(), tmp_path / "web.log"
    web = as_process(services["web"], secrets, log, PORT=str(port))
    try:
        wait_until(lambda: passes(services["web"], "5000", port), web, log)
        url = f"http://127.0.0.1:{port}"
        assert httpx.get(f"{url}/metrics").status_code == 401
        token = (secrets / "metrics_token").read_text()
        assert httpx.get(f"{url}/metrics", headers={"authorization": f"Bearer {token}"}).status_code == 200
        # In production only the public host is answered, and cookies and HSTS are https's own.
        foreign = httpx.get(f"{url}/.well-known/jwks.json", headers={"host": "evil.example"})
        assert foreign.status_code == 400
        jwks = httpx.get(f"{url}/.well-known/jwks.json", headers={"host": "localhost", "x-forwarded-proto": "https"})
        assert jwks.status_code == 200
        assert "max-age=31536000" in jwks.headers["strict-transport-security"]
        assert end(web) == 0
    finally:
        end(web) if web.poll() is None else None
    for secret in secrets.iterdir():
        if secret.is_file() and secret.suffix == "" and len(text := secret.read_text()) > 20:
            assert text not in log.read_text(), secret.name


@pytest.mark.postgresql_only
def test_worker_and_beat_start_and_end_by_their_own_commands(
    described: dict[str, Any], secrets: Path, tmp_path: Path
) -> None:
    services = described["services"]
    port, log = free_port(), tmp_path / "worker.log"
    worker = as_process(services["worker"], secrets, log, WORKER_METRICS_PORT=str(port))
    beat = as_process(services["beat"], secrets, tmp_path / "beat.log")
    try:
        wait_until(lambda: passes(services["worker"], "9100", port), worker, log)
        assert "stepward_deliveries" in httpx.get(f"http://127.0.0.1:{port}/metrics").text
        # Its schedule is there once it hears signals.
        wait_until(lambda: any(secrets.glob("beat*")), beat, tmp_path / "beat.log")
        time.sleep(3)
        assert beat.poll() is None, (tmp_path / "beat.log").read_text()
        assert end(beat) == 0
        assert end(worker) == 0
    finally:
        for process in (worker, beat):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


# ------------------------------------------------------------------------------------------------------------ the proxy


CADDY = PROGRAMS / "caddy"
CADDYFILE = ROOT / "deploy" / "Caddyfile"
# Whom the proxy saw is said by the proxy. These are the ways to say it that a caller might try.
CLAIMED = {
    "X-Forwarded-For": "203.0.113.1",
    "X_Forwarded_For": "203.0.113.2",
    "X-Forwarded_For": "203.0.113.3",
    "X_FORWARDED-for": "203.0.113.4",
    "X-Forwarded-Proto": "gopher",
    "X_Forwarded_Proto": "gopher",
    "X-Forwarded_Proto": "gopher",
    "X_Forwarded-Proto": "gopher",
    "X_Forwarded_Host": "evil.example",
    "Forwarded": "for=203.0.113.5",
    "X-Real-IP": "203.0.113.6",
    "X_Real_IP": "203.0.113.7",
}


def adapted() -> dict[str, Any]:
    """deploy/Caddyfile as Caddy itself understands it."""
    assert CADDY.exists(), "run `make setup-test`"
    done = subprocess.run(
        [str(CADDY), "adapt", "--config", str(CADDYFILE), "--adapter", "caddyfile"],
        env={"PATH": os.defpath, "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def handlers(part: Any) -> list[dict[str, Any]]:
    """Every handler of it, however deep."""
    if not isinstance(part, list | dict):
        return []
    below = [found for one in (part.values() if isinstance(part, dict) else part) for found in handlers(one)]
    return [part, *below] if isinstance(part, dict) and "handler" in part else below


def test_caddy_understands_its_configuration_and_keeps_secrets_out_of_its_log() -> None:
    understood = adapted()
    filtered = understood["logging"]["logs"]["default"]["encoder"]["fields"]
    assert filtered["request>uri"] == filtered["request>headers"] == {"filter": "delete"}
    assert "/metrics" in json.dumps(understood)


def test_the_proxy_passes_on_no_name_with_an_underscore() -> None:
    """Newer ones drop them by themselves; what the file says holds for each."""
    (changed,) = [one["headers"]["request"] for one in handlers(adapted()) if one["handler"] == "reverse_proxy"]
    assert changed["set"]["X-Forwarded-For"] == ["{http.request.remote.host}"]
    assert {"*_*", "Forwarded", "X-Real-IP"} <= {*changed["delete"]}


@contextmanager
def proxied(upstream: int, folder: Path) -> Iterator[str]:
    """The URL of a Caddy with deploy/Caddyfile, without TLS, before what answers at that port."""
    port, file = free_port(), folder / "Caddyfile"
    file.write_text(CADDYFILE.read_text().replace("admin localhost:2019", "admin off"))
    own = {"DOMAIN": f"http://:{port}", "UPSTREAM_NAME": "127.0.0.1", "UPSTREAM_PORT": str(upstream)}
    with (folder / "caddy.log").open("wb") as log:
        caddy = subprocess.Popen(
            [str(CADDY), "run", "--config", str(file), "--adapter", "caddyfile"],
            env={"PATH": os.defpath, "HOME": str(folder), **own},
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/metrics") == 404, caddy, folder / "caddy.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        caddy.terminate()
        caddy.wait(timeout=60)


def answers(url: str) -> int:
    try:
        return httpx.get(url).status_code
    except httpx.HTTPError:
        return 0


class Listening(BaseHTTPRequestHandler):
    """Answers with the header as it came in."""

    def do_GET(self) -> None:
        said = json.dumps(self.headers.items()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: the answer is the test's only interest."""


def test_what_a_caller_claims_to_be_does_not_pass_the_proxy(tmp_path: Path) -> None:
    with HTTPServer(("127.0.0.1", 0), Listening) as behind:
        threading.Thread(target=behind.serve_forever, daemon=True).start()
        with proxied(behind.server_port, tmp_path) as url:
            came = [(name.lower(), value) for name, value in httpx.get(f"{url}/", headers=CLAIMED).json()]
        behind.shutdown()
    assert [value for name, value in came if name == "x-forwarded-for"] == ["127.0.0.1"]
    assert [value for name, value in came if name == "x-forwarded-proto"] == ["http"]
    assert not [name for name, _value in came if "_" in name or name in ("forwarded", "x-real-ip")]
    assert "203.0.113" not in str(came)


def asked_from(server: Server) -> list[str]:
    """The addresses that this server has noted so far of those who asked for its keys."""
    lines = [json.loads(line) for line in server.log_text().splitlines()]
    return [line["address"] for line in lines if line.get("route") == ".well-known/jwks.json"]


@pytest.mark.postgresql_only
def test_an_address_that_is_only_claimed_is_not_taken_behind_the_proxy(tmp_path: Path) -> None:
    with (
        fresh_database(tmp_path) as database,
        serve(database, tmp_path, environment={"TRUSTED_PROXIES": "1"}) as server,
    ):

        def taken_for(url: str) -> list[str]:
            host, before = f"localhost:{server.port}", len(asked_from(server))
            claim = {"X-Forwarded-For": "198.51.100.7", "X_Forwarded_For": "203.0.113.2", "Host": host}
            assert httpx.get(f"{url}/.well-known/jwks.json", headers=claim).status_code == 200
            deadline = time.monotonic() + 30
            while len(asked_from(server)) == before:
                assert time.monotonic() < deadline, server.log_text()
            return asked_from(server)[before:]

        # Why the proxy must see to it: to WSGI both names are one, and the server keeps the last.
        assert taken_for(f"http://127.0.0.1:{server.port}") == ["203.0.113.2"]
        with proxied(server.port, tmp_path) as url:
            assert taken_for(url) == ["127.0.0.1"]
