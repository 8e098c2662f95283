from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from motet.serve.store import EventStore

POSTGRES = "MOTET_TEST_POSTGRES"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return str(tmp_path / "events.db")
    return empty_postgres()


def empty_postgres() -> str:
    address = os.environ.get(POSTGRES)
    if address is None:
        pytest.skip(f"{POSTGRES} names no PostgreSQL database, as in postgresql://user@host/database")
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS motet_events")
    return address


@pytest.fixture
def store(url: str) -> Iterator[EventStore]:
    store = EventStore(url)
    yield store
    store.close()
