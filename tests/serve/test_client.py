"""Clients ask a service through a socket; every route is a call, every call a route."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any

import pytest

from motet.client import AsyncClient, Client, Event, calls
from motet.errors import ServiceError
from motet.recommender import Recommender
from motet.serve.bodies import RecommendBody, ScoreBody, SimilarBody
from motet.serve.http.app import create_app
from motet.serve.service import Service
from motet.serve.tokens import Tokens
from serve.conftest import Caller, listening

TOKEN = "correct-horse-battery"
FOR_MACHINES = {"GET /healthz", "GET /metrics"}
ASKED: dict[str, tuple[Any, ...]] = {
    "score": (1, ["Film 1"]),
    "add": ([],),
    "history": (1,),
    "serve": (["films"],),
}


@pytest.fixture
def address(service: Service) -> Iterator[str]:
    service.tokens = Tokens({TOKEN: ["read", "write"]})
    with listening(create_app(service)) as address:
        yield address


def test_what_a_client_says_is_what_the_library_says(address: str, recommender: Recommender) -> None:
    with Client(address, token=TOKEN) as client:
        assert client.ready().status == "ready"
        top = recommender.recommend(3, 4)
        answer = client.recommend(3, k=4, reasons=True)
        assert [item.id for item in answer.items] == top.ids.tolist()
        assert [item.tasks["stars"] for item in answer.items] == pytest.approx(top.tasks["stars"].tolist())
        assert answer.items[0].reasons[0].similarity <= 1.0001
        scored = client.score(3, top.ids)
        assert [line.tasks["stars"] for line in scored.items] == pytest.approx(top.tasks["stars"].tolist())
        near = recommender.similar_items("Film 4", 3).ids.tolist()
        assert [item.id for item in client.similar("Film 4", k=3).items] == near
        assert client.items("film 8").items[0].genres == ["war", "drama"]
        assert client.users(limit=2).total == 8
        assert len(client.map(3).items) == 3
        assert client.model("films").models[0].role == "live"


def test_an_event_told_twice_is_stored_once_whatever_the_id_of_its_user(address: str) -> None:
    with Client(address, token=TOKEN) as client:
        for user in (3, "a/b", "..", "ü?#%2F &"):
            event = Event(user, "Film 1", "watch", 4.0)
            assert [client.add([event]).accepted for _ in range(2)] == [1, 0]
            assert client.history(user, limit=1).items[0].event == "watch"
            assert "Film 1" not in [item.id for item in client.recommend(user, k=12).items]


def test_both_clients_are_refused_in_the_words_of_the_service(address: str) -> None:
    async def later() -> None:
        async with AsyncClient(address, token=TOKEN) as client:
            await client.score(3, ["Film 44"])

    with pytest.raises(ServiceError, match="title 'Film 44' is not among the 12 the model knows") as caught:
        asyncio.run(later())
    assert (caught.value.code, caught.value.status, caught.value.field) == ("not_found", 404, "items")
    with Client(address) as client, pytest.raises(ServiceError, match="a token is needed") as refused:
        client.model()
    assert refused.value.code == "no_token"
    with (
        Client(address, token=TOKEN) as client,
        pytest.raises(ServiceError, match="the token does not have the scope 'admin'"),
    ):
        client.roll_back()


def test_one_client_serves_many_at_once(address: str) -> None:
    async def ask() -> list[str | int]:
        async with AsyncClient(address, token=TOKEN, connections=8) as client:
            answers = await asyncio.gather(*(client.recommend(user, k=1) for user in range(30)))
            return [answer.results[0].user for answer in answers]

    assert asyncio.run(ask()) == list(range(30))


def test_every_route_is_a_call(ask: Caller) -> None:
    functions = {name: call for name, call in vars(calls).items() if inspect.isfunction(call)}
    own = {name: call for name, call in functions.items() if call.__module__ == calls.__name__}
    described = [call(*ASKED.get(name, ())) for name, call in own.items()]
    routes = {f"{call.method} {call.path}".replace("/users/1/", "/users/{user}/") for call in described}
    document = ask.get("/openapi.json")
    assert routes | FOR_MACHINES == {
        f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods
    }


@pytest.mark.parametrize(
    ("call", "body"), [(calls.recommend, RecommendBody), (calls.score, ScoreBody), (calls.similar, SimilarBody)]
)
def test_what_a_call_takes_is_what_a_body_takes(call: Any, body: Any) -> None:
    arguments = inspect.signature(call).parameters
    assert set(arguments) == set(body.model_fields)
    for name, field in body.model_fields.items():
        if arguments[name].default is not inspect.Parameter.empty and field.default:
            assert arguments[name].default == field.default
