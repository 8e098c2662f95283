"""Both clients against services that answer as a test says."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import numpy as np
import pytest

from motet.client import AsyncClient, Client, Event, calls
from motet.errors import ConfigError, ServiceError

READY = {"status": "ready", "events": "up", "model": "1"}
BUSY = {"error": {"code": "busy", "message": "66 requests wait; try again", "field": None}}
NO_STORE = {"error": {"code": "no_event_store", "message": "this service keeps no events", "field": None}}
NAMES = [name for name, call in vars(calls).items() if inspect.isfunction(call) and call.__module__ == calls.__name__]

Ask = Callable[..., Any]


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nobody really waits; how long they would have."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("motet.client.client.time.sleep", waited.append)
    monkeypatch.setattr("motet.client.client.asyncio.sleep", sleep)
    return waited


@pytest.fixture(params=["plain", "awaited"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Asks a service, which is a function, one call of one of the clients."""

    def ask(service: Callable[[httpx.Request], httpx.Response], name: str, *asked: Any, **options: Any) -> Any:
        settings = {"transport": httpx.MockTransport(service), **options.pop("settings", {})}

        async def later() -> Any:
            async with AsyncClient("http://shop.example/motet", **settings) as client:
                return await getattr(client, name)(*asked, **options)

        if request.param == "awaited":
            return asyncio.run(later())
        with Client("http://shop.example/motet", **settings) as client:
            return getattr(client, name)(*asked, **options)

    return ask


class Script:
    """A service that answers one thing after another, and keeps what it was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers: Iterator[httpx.Response | Exception] = iter(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = next(self.answers)
        if isinstance(answer, Exception):
            raise answer
        return answer


def busy(after: str | None = "1") -> httpx.Response:
    return httpx.Response(503, json=BUSY, headers={} if after is None else {"Retry-After": after})


def ready() -> httpx.Response:
    return httpx.Response(200, json=READY)


def test_a_call_is_sent_where_the_service_lies_and_says_who_asks(ask: Ask) -> None:
    service = Script(ready())
    assert ask(service, "ready", settings={"token": "correct-horse-battery"}).events == "up"
    (request,) = service.asked
    assert str(request.url) == "http://shop.example/motet/readyz"
    assert request.headers["Authorization"] == "Bearer correct-horse-battery"


def test_a_body_says_what_was_asked_and_ids_may_be_arrays(ask: Ask) -> None:
    service = Script(httpx.Response(200, json={"model": {"name": "m", "version": "1"}, "items": [], "new": 1}))
    ids = np.array(["Alien", "Brazil"], dtype=object)
    with pytest.raises(ServiceError, match="answered 200 in a form that this version of motet cannot read"):
        ask(service, "score", 3, ids, history={"Clue"}, features={"age": np.int64(30)})
    expected = {"user": 3, "items": ["Alien", "Brazil"], "history": ["Clue"], "features": {"age": 30}}
    assert json.loads(service.asked[0].content) == expected


def test_an_event_keeps_its_id_on_every_try(ask: Ask) -> None:
    service = Script(httpx.ReadTimeout("slow"), busy(), httpx.Response(200, json={"accepted": 1, "duplicates": 0}))
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    assert ask(service, "add", [Event(3, "Alien", "watch", 4.0, moment)]).accepted == 1
    first, *others = [request.content for request in service.asked]
    assert others == [first, first]
    (event,) = json.loads(first)["events"]
    assert len(event.pop("id")) == 36
    expected = {"user": 3, "item": "Alien", "event": "watch", "value": 4.0, "time": "2026-01-02T00:00:00+00:00"}
    assert event == expected
    assert Event(3, "Alien").id != Event(3, "Alien").id


def test_an_iterator_is_read_once_however_often_the_call_is_sent(ask: Ask) -> None:
    service = Script(busy(), httpx.Response(200, json={"model": {"name": "m", "version": "1"}, "items": []}))
    with pytest.raises(ServiceError, match="in a form that this version of motet cannot read"):
        ask(service, "recommend", 3, exclude=iter(["Alien"]))
    assert [json.loads(request.content)["exclude"] for request in service.asked] == [["Alien"], ["Alien"]]


def test_a_busy_service_is_asked_again_when_it_says(ask: Ask, waits: list[float]) -> None:
    assert ask(Script(busy("2"), busy("0"), httpx.ConnectError("refused"), ready()), "ready").status == "ready"
    assert len(waits) == 3
    assert all(low <= wait <= high for wait, low, high in zip(waits, (2, 0, 0), (2.1, 0.2, 0.4), strict=True))


def test_a_proxy_that_is_busy_is_asked_again(ask: Ask) -> None:
    assert ask(Script(httpx.Response(503, text="<h1>Busy</h1>"), ready()), "ready").status == "ready"


@pytest.mark.parametrize("end", [httpx.ReadError("reset by peer"), httpx.RemoteProtocolError("Server disconnected")])
def test_a_request_on_a_connection_that_ends_is_sent_again_unless_it_must_not_run_twice(
    ask: Ask, end: httpx.TransportError
) -> None:
    assert ask(Script(end, ready()), "ready").status == "ready"
    service = Script(end, ready())
    with pytest.raises(ServiceError, match="cannot be reached"):
        ask(service, "roll_back")
    assert len(service.asked) == 1


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        (busy, "busy", "66 requests wait; try again"),
        (lambda: httpx.ConnectError("no"), "unreachable", "http://shop.example/motet cannot be reached: no; is a"),
        (lambda: httpx.ReadTimeout("slow"), "timeout", "did not answer in time; allow more with timeout_s="),
    ],
)
def test_retrying_ends(ask: Ask, answer: Callable[[], httpx.Response | Exception], code: str, message: str) -> None:
    service = Script(*(answer() for _ in range(9)))
    with pytest.raises(ServiceError, match=message) as caught:
        ask(service, "ready", settings={"retries": 2})
    assert (caught.value.code, len(service.asked)) == (code, 3)


@pytest.mark.parametrize(
    ("status", "body", "after"),
    [
        (503, BUSY, "3600"),  # too long for anybody who waits for an answer
        (503, NO_STORE, None),  # will be so next time
        (500, BUSY, None),
        (422, BUSY, "1"),
    ],
)
def test_what_another_try_does_not_help_is_told_at_once(ask: Ask, status: int, body: object, after: str | None) -> None:
    service = Script(httpx.Response(status, json=body, headers={} if after is None else {"Retry-After": after}))
    with pytest.raises(ServiceError):
        ask(service, "ready")
    assert len(service.asked) == 1


@pytest.mark.parametrize(
    ("name", "asked", "allowed_s"),
    [
        ("ready", (), 2.0),
        ("model", (), 2.0),
        ("serve", (["spring"],), calls.LOADING_S),
        ("roll_back", (), calls.LOADING_S),
    ],
)
def test_a_change_of_models_may_take_longer_than_other_calls(
    ask: Ask, name: str, asked: tuple[Any, ...], allowed_s: float
) -> None:
    service = Script(httpx.ReadTimeout("slow"))
    with pytest.raises(ServiceError, match="did not answer in time"):
        ask(service, name, *asked, settings={"timeout_s": 2.0, "retries": 0})
    assert service.asked[0].extensions["timeout"] == {"connect": 2.0, "read": allowed_s, "write": 2.0, "pool": 2.0}


def test_what_is_served_is_said_as_on_the_command_line(ask: Ask) -> None:
    line_up = {"generation": 2, "models": [{"name": "spring", "version": "1", "share": 0.9, "role": "live"}]}
    service = Script(httpx.Response(200, json=line_up))
    asked = {"shares": {"summer": 0.1}, "shadows": ["autumn"]}
    assert ask(service, "serve", ["spring", "summer"], **asked).models[0].role == "live"
    expected = [{"name": "spring"}, {"name": "summer", "share": 0.1}, {"name": "autumn", "role": "shadow"}]
    assert json.loads(service.asked[0].content) == {"models": expected}
    with pytest.raises(
        ConfigError, match="there is a share for 'sumer', but no live model of that name; did you mean 'summer'"
    ):
        ask(Script(), "serve", ["spring", "summer"], shares={"sumer": 0.1})


def test_rolling_back_twice_is_not_rolling_back_once(ask: Ask) -> None:
    service = Script(httpx.ReadTimeout("slow"))
    with pytest.raises(ServiceError, match="did not answer in time"):
        ask(service, "roll_back")
    assert len(service.asked) == 1


def test_an_error_says_what_the_service_says(ask: Ask) -> None:
    refused = {"error": {"code": "not_found", "message": "no model 'x' is served", "field": "model"}}
    with pytest.raises(ServiceError, match="no model 'x' is served") as caught:
        ask(Script(httpx.Response(404, json=refused)), "recommend", 3, model="x")
    error = caught.value
    assert (error.code, error.status, error.field, error.message) == ("not_found", 404, "model", str(error))


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"\xff", b'{"error": "x"}'])
@pytest.mark.parametrize("status", [200, 404, 302])
def test_something_else_at_the_address_is_named(ask: Ask, status: int, body: bytes) -> None:
    with pytest.raises(
        ServiceError, match=f"/readyz answered {status} in a form that this version of motet cannot read"
    ) as caught:
        ask(Script(httpx.Response(status, content=body)), "ready")
    assert caught.value.code == "not_motet"


def test_an_answer_that_cannot_be_unpacked_is_named_and_not_asked_for_again(ask: Ask) -> None:
    packed = httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"not packed"))
    service = Script(packed)
    with pytest.raises(
        ServiceError, match="/motet/readyz answered in a form that this version of motet cannot"
    ) as caught:
        ask(service, "ready")
    assert (caught.value.code, len(service.asked)) == ("not_motet", 1)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"by": {"stars": float("nan")}}, "Out of range float values are not JSON compliant"),
        ({"features": {"age": object()}}, "'object' has no form in JSON"),
    ],
)
def test_what_json_cannot_hold_is_refused_before_it_is_sent(ask: Ask, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"the request cannot be written as JSON: {message}"):
        ask(Script(), "recommend", 3, **asked)


@pytest.mark.parametrize("user", ["a b", "a/b", "..", "ü?#%2F", 7])
def test_any_id_fits_into_a_path(ask: Ask, user: str | int) -> None:
    service = Script(httpx.Response(200, json={"user": str(user), "known": False, "items": [], "events": True}))
    ask(service, "history", user, limit=3)
    url = service.asked[0].url
    assert url.path == f"/motet/v1/users/{user}/history"
    assert url.query == b"limit=3"


def test_ids_of_items_are_each_a_parameter(ask: Ask) -> None:
    service = Script(httpx.Response(200, json={"items": [{"id": 1, "genre": "war"}], "total": 1}))
    answer = ask(service, "items", ids=["Silence, The", "B"])
    assert answer.items[0].genre == "war"
    assert service.asked[0].url.params.get_list("ids") == ["Silence, The", "B"]


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_a_client_has_every_call_with_its_signature_and_its_words(client: type) -> None:
    for name in NAMES:
        call, method = getattr(calls, name), getattr(client, name)
        assert method.__doc__ == call.__doc__
        _, *arguments = inspect.signature(method).parameters.values()
        assert arguments == list(inspect.signature(call).parameters.values())


@pytest.mark.parametrize("url", ["shop.example", "ftp://shop.example", "", "http://", "http://[::1", "http://shop:x"])
def test_an_address_that_is_none(url: str) -> None:
    address = rf"url '{re.escape(url)}' is not the address of a service.*; write one such as http://127"
    with pytest.raises(ConfigError, match=address):
        Client(url)


@pytest.mark.parametrize("token", ["correct-horse-battery\n", "correct horse battery", "", "schlüssel-zum-laden"])
def test_a_token_that_no_header_can_carry_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(
        ConfigError, match="the token is empty, or has a space, a line break or a letter outside ASCII"
    ) as caught:
        Client(token=token)
    assert not token or token.strip() not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"retries": -1}, "retries is -1; it must be at least 0"),
        ({"timeout_s": 0}, "timeout_s is 0; it must be from 0.001 to 1,000,000"),
        ({"timeout_s": float("nan")}, "timeout_s is nan; it must be from 0.001 to 1,000,000"),
        ({"timeout_s": float("inf")}, "timeout_s is inf; it must be from 0.001 to 1,000,000"),
        ({"connections": 0}, "connections is 0; it must be from 1 to 1,000,000"),
    ],
)
def test_numbers_that_a_client_cannot_work_with(settings: dict[str, Any], rule: str) -> None:
    with pytest.raises(ConfigError, match=rule):
        Client(**settings)


def test_httpx_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(ConfigError, match=r"motet.Client needs httpx; install it: pip install 'motet\[client\]'"):
        Client()


def test_a_client_needs_neither_a_server_nor_torch() -> None:
    program = "import sys, motet; motet.Client().close(); print(*{'torch', 'polars', 'fastapi', 'sqlalchemy', 'numpy'}"
    program += " & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"\n"
