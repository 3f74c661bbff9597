"""`/healthz`: the process answers. `/readyz`: what it leans on answers too. `/metrics`: how it fares."""

from collections.abc import Callable

from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from identity import secret_store
from identity.api.problems import problem

RETRY_AFTER = 5  # seconds


def healthz(request: HttpRequest) -> HttpResponse:
    """Liveness. Asks nothing of the database: a restart would not mend one that is away."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> HttpResponse:
    """Readiness: 200, or 503 with the names of what fails, and nothing else about it.

    `need` names the parts that count, separated by commas. The others are not asked: one that hangs would hold up the
    answer for longer than a probe waits.
    """
    given = request.GET.get("need")
    needed = set(CHECKS) if given is None else {name.strip() for name in given.split(",")}
    if not needed <= set(CHECKS):
        return problem(400, f"`need` names some of {', '.join(CHECKS)}, separated by commas.")
    asked = [name for name in CHECKS if name in needed]
    failing = [name for name in asked if name not in _NEED_THE_DATABASE and not _passes(CHECKS[name])]
    if "database" not in failing:
        failing += [name for name in asked if name in _NEED_THE_DATABASE and not _passes(CHECKS[name])]
    if failing:
        return problem(503, "Not ready.", retry_after=RETRY_AFTER, extra={"failing": failing})
    return JsonResponse({"status": "ready"})


# Asked only while there is one: each would wait for it anew.
_NEED_THE_DATABASE = ("migrations", "keys")


def _passes(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except Exception:  # noqa: BLE001  Whatever it is, this part is not ready, and its text may hold a password.
        return False


def _database() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return bool(cursor.fetchone() == (1,))


_migrated = False


def _migrations() -> bool:
    """Reading every migration costs 50 ms, and what is applied stays applied: asked until it is so, then remembered."""
    global _migrated  # noqa: PLW0603  One fact about the process, which only ever turns true.
    if not _migrated:
        executor = MigrationExecutor(connection)
        _migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    return _migrated


def _cache() -> bool:
    cache.set("readyz", 1, timeout=10)
    return bool(cache.get("readyz") == 1)


def _broker() -> bool:
    if not settings.REDIS_URL:
        return True
    import redis

    with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1) as broker:
        return bool(broker.ping())


def _keys() -> bool:
    """The installation's keys open under MFA_SECRET_KEYS."""
    return bool(secret_store.digest("readyz", "")) and bool(secret_store.signing_key(timezone.now()))


CHECKS: dict[str, Callable[[], bool]] = {
    "database": _database,
    "migrations": _migrations,
    "cache": _cache,
    "broker": _broker,
    "keys": _keys,
}
