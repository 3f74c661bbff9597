"""What Prometheus is told. Labels are names from our own code, routes and key ids; never what a caller sent.

With PROMETHEUS_MULTIPROC_DIR, which `manage.py serve` sets, each process writes a file and a scrape adds them up.
"""

import os
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.multiprocess import MultiProcessCollector

EVENTS = Counter(
    "stepward_events",
    "Events of the audit trail: sign-ins, codes, lockouts, enrolments.",
    ["event", "outcome", "reason"],
)
REQUESTS = Histogram(
    "stepward_request_seconds",
    "Requests by route; the route is the pattern, never the path.",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60),
)
RATE_LIMITED = Counter("stepward_rate_limited", "Requests refused with 429 by RATE_LIMIT.")
UNAVAILABLE = Counter("stepward_unavailable", "Requests refused with 503, by what was away or full.", ["part"])
HASH_WAITING = Gauge("stepward_hash_waiting", "Callers that wait for a password hash.", multiprocess_mode="livesum")
HASH_WAIT_SECONDS = Histogram(
    "stepward_hash_wait_seconds",
    "How long callers waited for a slot.",
    buckets=(0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
HASH_SECONDS = Histogram(
    "stepward_hash_seconds", "How long a password hash took.", buckets=(0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1)
)
KEY_USE = Counter(
    "stepward_key_use", "Sealed values opened and sealed, by key of MFA_SECRET_KEYS.", ["kid", "operation"]
)
DELIVERIES = Counter("stepward_deliveries", "Messages that came to an end, by kind and state.", ["kind", "state"])
LAST_SWEEP = Gauge(
    "stepward_last_sweep_timestamp_seconds", "When clean-up last ran, seconds since 1970.", multiprocess_mode="max"
)
SWEEP_FAILURES = Counter("stepward_sweep_failures", "Parts of a sweep that broke off, by part.", ["part"])
SWEPT = Counter("stepward_swept_rows", "Rows that clean-up deleted, by table.", ["table"])


def request(method: str, route: str, status: int, seconds: float) -> None:
    """One request more. As many children are kept as the library keeps itself: finding one there costs 3 µs."""
    key = (method, route, status)
    child = _requests.get(key)
    if child is None:
        child = _requests[key] = REQUESTS.labels(*key)
    child.observe(seconds)


_requests: dict[tuple[str, str, int], Histogram] = {}


def registry() -> CollectorRegistry:
    """What a scrape of this server reads: all its processes, or this one alone where they share no folder."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if not folder:
        return REGISTRY
    _forget_the_dead(Path(folder))
    whole = CollectorRegistry()
    MultiProcessCollector(whole, path=folder)  # type: ignore[no-untyped-call]
    return whole


def _forget_the_dead(folder: Path) -> None:
    """A killed process cannot take back what its gauges said; its counters still count."""
    for path in folder.glob("gauge_live*_*.db"):
        pid = path.stem.rpartition("_")[2]
        if pid.isdigit() and not _lives(int(pid)):
            path.unlink(missing_ok=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
