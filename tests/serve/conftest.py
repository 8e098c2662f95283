from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import psycopg
import pytest
import torch
import uvicorn
from starlette.types import ASGIApp

from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.recommender import Recommender
from motet.serve.events.store import EventStore
from motet.serve.http.app import create_app
from motet.serve.http.timeouts import TimeoutProtocol
from motet.serve.models.served import ServedModel
from motet.serve.rollout.lineup import Lineup
from motet.serve.service import Service
from untrained import untrained

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


class Caller:
    """Asks an application without a socket."""

    def __init__(self, app: ASGIApp, *, token: str | None = None) -> None:
        self.app = app
        self.headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    def __call__(self, method: str, path: str, json: Any = None, **arguments: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://localhost", headers=self.headers
            ) as http:
                sent = arguments if json is None else {"json": json, **arguments}
                return await http.request(method, path, **sent)

        return asyncio.run(ask())

    def get(self, path: str, **arguments: Any) -> Any:
        answer = self("GET", path, **arguments)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, json: Any) -> Any:
        answer = self("POST", path, json)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, status: int, method: str, path: str, json: Any = None, **arguments: Any) -> dict[str, Any]:
        answer = self(method, path, json, **arguments)
        assert answer.status_code == status, answer.text
        assert set(answer.json()) == {"error"}
        assert set(answer.json()["error"]) == {"code", "message", "field"}
        error: dict[str, Any] = answer.json()["error"]
        return error


@contextmanager
def listening(app: ASGIApp) -> Iterator[str]:
    """The address at which an application is reached through a socket, as `motet serve` listens."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, http=TimeoutProtocol, ws="none", log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        threading.Event().wait(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def films() -> EventLog:
    """Customers 1 to 8, twelve films, stars and moments."""
    generator = torch.Generator().manual_seed(4)
    customers = torch.randint(1, 9, (40,), generator=generator).tolist()
    titles = [f"Film {number}" for number in torch.randint(0, 12, (40,), generator=generator).tolist()]
    stars = torch.randint(1, 6, (40,), generator=generator).tolist()
    table = pl.DataFrame(
        {
            "title": [f"Film {number}" for number in range(12)],
            "genres": [["war", "drama"], ["jazz"]] * 6,
            "year": [*range(1980, 1991), None],
            "country": ["Mali", "Peru", None] * 4,
        }
    )
    events = pl.DataFrame({"customer": customers, "title": titles, "stars": stars, "at": range(40)})
    schema = Schema(user="customer", item="title", time="at", signals=("stars",))
    return EventLog.read(events, schema, items=table)


@pytest.fixture(scope="session")
def recommender() -> Recommender:
    """A tiny model of films, as it was initialised."""
    return untrained(films())


@pytest.fixture(scope="session")
def served(recommender: Recommender) -> ServedModel:
    return ServedModel(recommender, name="films", version="1")


@pytest.fixture
def service(served: ServedModel, tmp_path: Path) -> Iterator[Service]:
    """With events in SQLite and without tokens; its clock stands at 1000."""
    store = EventStore(str(tmp_path / "service.db"))
    service = Service(Lineup.alone(served), store=store, now=lambda: 1000.0)
    yield service
    service.close()
    store.close()


@pytest.fixture
def ask(service: Service) -> Caller:
    return Caller(create_app(service))
