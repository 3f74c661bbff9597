"""What stands around every request."""

import json
from typing import Any

import pytest
import redis
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory, override_settings
from redis.exceptions import ConnectionError as RedisAway

from config import logs, rate_limit
from config.middleware import RequestContextMiddleware, UnavailableMiddleware
from identity.api import health, problems
from identity.errors import Overloaded


def answer(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("fine")


@pytest.mark.parametrize(
    ("exception", "after"),
    [(OperationalError("password=hunter2"), "5"), (RedisAway("redis://:hunter2@x"), "5"), (Overloaded(2), "2")],
)
def test_what_passes_by_itself_is_503_with_a_time_to_come_back(exception: Exception, after: str) -> None:
    response = UnavailableMiddleware(answer).process_exception(RequestFactory().get("/"), exception)
    assert response is not None
    assert (response.status_code, response["Retry-After"]) == (503, after)
    assert response["Content-Type"] == "application/problem+json"
    assert b"hunter2" not in response.content


def test_what_does_not_pass_by_itself_stays_a_500() -> None:
    assert UnavailableMiddleware(answer).process_exception(RequestFactory().get("/"), ValueError("x")) is None


def test_a_database_that_is_away_outside_of_a_view_is_503_too() -> None:
    try:
        raise OperationalError("away")
    except OperationalError:
        assert problems.server_error(RequestFactory().get("/")).status_code == 503
    assert problems.server_error(RequestFactory().get("/")).status_code == 500


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
@pytest.mark.django_db
def test_probes_are_answered_whatever_the_host(path: str, client: Client) -> None:
    assert client.get(path, headers={"host": "10.1.2.3:5000"}).status_code == 200


@pytest.mark.django_db
def test_other_addresses_answer_their_own_hosts_only(client: Client) -> None:
    assert client.get("/.well-known/jwks.json", headers={"host": "evil.example"}).status_code == 400


@override_settings(RATE_LIMIT=3)
def test_past_the_rate_limit_the_answer_is_429_with_a_time_to_come_back() -> None:
    middleware = RequestContextMiddleware(answer)
    address = "198.51.100.77"
    answers = [middleware(RequestFactory(REMOTE_ADDR=address).get("/x")) for _ in range(5)]
    assert [response.status_code for response in answers] == [200, 200, 200, 429, 429]
    assert 1 <= int(answers[-1]["Retry-After"]) <= 61
    assert middleware(RequestFactory(REMOTE_ADDR="198.51.100.78").get("/x")).status_code == 200


@override_settings(RATE_LIMIT=2, TRUSTED_PROXIES=0)
def test_a_forwarded_header_nobody_vouches_for_wins_no_fresh_limit() -> None:
    middleware = RequestContextMiddleware(answer)
    requests = [
        RequestFactory(REMOTE_ADDR="198.51.100.79", HTTP_X_FORWARDED_FOR=f"203.0.113.{number}").get("/x")
        for number in range(4)
    ]
    assert [middleware(request).status_code for request in requests] == [200, 200, 429, 429]


@override_settings(RATE_LIMIT=2, TRUSTED_PROXIES=1)
def test_behind_one_proxy_only_the_entry_it_wrote_counts() -> None:
    middleware = RequestContextMiddleware(answer)
    requests = [
        RequestFactory(REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=f"203.0.113.{number}, 198.51.100.80").get("/x")
        for number in range(4)
    ]
    assert [middleware(request).status_code for request in requests] == [200, 200, 429, 429]


@override_settings(RATE_LIMIT=2)
def test_probes_have_no_limit() -> None:
    middleware = RequestContextMiddleware(answer)
    assert {middleware(RequestFactory(REMOTE_ADDR="198.51.100.81").get("/healthz")).status_code for _ in range(5)} == {
        200
    }


def test_a_body_that_is_too_large_is_refused_before_it_is_read() -> None:
    request = RequestFactory().post("/x", data=b"", content_type="application/json", CONTENT_LENGTH=str(65 * 1024))
    response = RequestContextMiddleware(answer)(request)
    assert response.status_code == 413


@pytest.mark.django_db
def test_readiness_names_what_fails_and_tells_nothing_else(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> bool:
        raise OperationalError("postgres://stepward:hunter2@db")

    monkeypatch.setitem(health.CHECKS, "database", away)
    response = client.get("/readyz")
    assert response.status_code == 503
    assert json.loads(response.content) == {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "Not ready.",
        "failing": ["database"],
    }
    assert response["Retry-After"] == "5"


def failing(*names: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let these parts fail; which parts are asked stands in the list, as they are."""
    asked: list[str] = []
    for name in health.CHECKS:

        def check(name: str = name) -> bool:
            asked.append(name)
            return name not in names

        monkeypatch.setitem(health.CHECKS, name, check)
    return asked


@pytest.mark.parametrize(
    ("need", "status", "named"),
    [
        ("database", 200, None),
        ("database,migrations,keys", 200, None),
        ("database, cache", 503, ["cache"]),
        ("broker,cache", 503, ["cache", "broker"]),
    ],
)
def test_a_probe_names_the_parts_that_it_needs(
    need: str, status: int, named: list[str] | None, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Redis sign-in by app goes on; a probe that needs it would take every server away."""
    asked = failing("cache", "broker", monkeypatch=monkeypatch)
    response = client.get("/readyz", {"need": need})
    assert response.status_code == status
    assert response.json().get("failing") == named
    assert set(asked) == {name.strip() for name in need.split(",")}, "a part that hangs would hold up the answer"
    assert client.get("/readyz").json()["failing"] == ["cache", "broker"]


@pytest.mark.parametrize("need", ["redis", "", "database,", "database,redis", "DATABASE"])
def test_a_part_that_there_is_not_cannot_be_needed(need: str, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = failing(monkeypatch=monkeypatch)
    response = client.get("/readyz", {"need": need})
    assert (response.status_code, response["Content-Type"]) == (400, "application/problem+json")
    assert "database, migrations, cache, broker, keys" in response.json()["detail"]
    assert not asked


def test_without_a_database_the_parts_that_need_it_are_not_asked(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = failing("database", monkeypatch=monkeypatch)
    response = client.get("/readyz?need=keys,migrations,database")
    assert (response.status_code, response.json()["failing"], asked) == (503, ["database"], ["database"])


@pytest.mark.django_db
def test_readiness_sees_a_key_that_was_taken_away(client: Client, settings: Any) -> None:
    from identity import secret_store

    secret_store.forget()  # What the process holds may be of another test.
    assert client.get("/readyz").status_code == 200
    settings.MFA_SECRET_KEYS = {"other": b"another key of thirty-two bytes!"}
    secret_store.forget()
    try:
        assert client.get("/readyz").json()["failing"] == ["keys"]
    finally:
        secret_store.forget()


@pytest.mark.django_db
def test_metrics_are_for_who_brings_the_token(client: Client, settings: Any) -> None:
    settings.METRICS_TOKEN = "a-token-of-this-test"
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"authorization": "Bearer wrong"}).status_code == 401
    shown = client.get("/metrics", headers={"authorization": "Bearer a-token-of-this-test"})
    assert shown.status_code == 200
    assert b"stepward_deliveries_waiting" in shown.content


@pytest.mark.django_db
def test_metrics_name_routes_and_never_paths(client: Client) -> None:
    client.get("/mfa/enroll/0f9c2d1e-aaaa-4bbb-8ccc-123456789abc")
    shown = client.get("/metrics").content
    assert b"stepward_request_seconds_count" in shown
    assert b"0f9c2d1e" not in shown


@pytest.mark.django_db
def test_the_log_calls_a_route_by_its_documented_name(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[str] = []
    monkeypatch.setattr(logs, "request", lambda _method, route, *_rest: logged.append(route))
    client.get("/API/mfaenrollment/getenrollmentinformation")
    client.get("/healthz")
    assert logged == ["api/MFAEnrollment/GetEnrollmentInformation", "healthz"]


def counting_in(redis_url: str) -> rate_limit.Postpaid:
    """A process's count. A machine that stands still for a moment is no Redis that is away, to which it gives 0.5 s."""
    return rate_limit.Postpaid(f"{redis_url}?socket_timeout=30")


def test_redis_is_told_in_blocks_and_each_request_still_counts(redis_url: str) -> None:
    redis.Redis.from_url(redis_url).flushdb()
    here, elsewhere = counting_in(redis_url), counting_in(redis_url)
    passed = sum(counting.seconds_to_wait("192.0.2.7", 1000) == 0 for _ in range(700) for counting in (here, elsewhere))
    assert 1000 - 10 <= passed <= 1000 + 2 * 10, "a block is 10, and each process may be wrong by one"
    assert here.seconds_to_wait("192.0.2.7", 1000) > 0
    assert here.seconds_to_wait("192.0.2.8", 1000) == 0


def test_small_limits_are_exact_over_processes(redis_url: str) -> None:
    redis.Redis.from_url(redis_url).flushdb()
    processes = [counting_in(redis_url) for _ in range(3)]
    assert sum(counting.seconds_to_wait("192.0.2.7", 10) == 0 for _ in range(10) for counting in processes) == 10


def test_while_redis_is_away_a_process_counts_every_request_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "_local", rate_limit.LocalCount())
    counting = rate_limit.Postpaid("redis://127.0.0.1:1/0")
    passed = sum(counting.seconds_to_wait("192.0.2.7", 1000) == 0 for _ in range(1500))
    assert 1000 <= passed < 1000 + 10
