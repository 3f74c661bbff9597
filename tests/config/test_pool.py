"""The pool that the server lends its connections from."""

from types import SimpleNamespace

import pytest
from django.db import connection

from config import pool as own


@pytest.mark.postgresql_only
@pytest.mark.django_db
def test_the_connection_that_came_back_last_is_lent_first(monkeypatch: pytest.MonkeyPatch) -> None:
    from psycopg_pool import ConnectionPool

    described = connection.get_connection_params()
    with ConnectionPool(kwargs=described, min_size=3, max_size=3, open=False) as pool:
        monkeypatch.setattr(own, "connections", SimpleNamespace(all=lambda: [SimpleNamespace(pool=pool)]))
        assert own.prepare() == 1
        assert own.prepare() == 0
        pool.wait(timeout=10)
        first, second, third = (pool.getconn() for _ in range(3))
        for lent in (second, first, third):
            pool.putconn(lent)
        assert [pool.getconn() for _ in range(3)] == [third, first, second]
        for lent in (first, second, third):
            pool.putconn(lent)


def test_a_database_without_a_pool_needs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own, "connections", SimpleNamespace(all=lambda: [SimpleNamespace(pool=None), object()]))
    assert own.prepare() == 0
