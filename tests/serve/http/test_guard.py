"""What guards a service: tokens, hosts, headers, a bounded queue, a log without people."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path

import httpx
import pytest
from starlette.types import Message

from motet.errors import ConfigError
from motet.serve.gate import Gate
from motet.serve.http import guard
from motet.serve.http.app import create_app
from motet.serve.models.served import ServedModel
from motet.serve.problem import Problem
from motet.serve.rollout.lineup import Lineup
from motet.serve.service import Service
from motet.serve.tokens import Tokens
from serve.conftest import Caller

READER, WRITER, CHIEF = "reader-" + "r" * 16, "writer-" + "w" * 16, "chief-" + "c" * 16
EVENTS = {"events": [{"id": "1", "user": 3, "item": "Film 1"}]}


@pytest.fixture
def kept(service: Service) -> Service:
    service.tokens = Tokens({READER: ["read"], WRITER: ["write"], CHIEF: ["admin"]})
    return service


def test_each_scope_opens_its_own_routes(kept: Service) -> None:
    app = create_app(kept)
    reader, writer, chief = (Caller(app, token=token) for token in (READER, WRITER, CHIEF))
    reader.post("/v1/recommend", {"user": 3})
    assert reader.refused(403, "POST", "/v1/events", EVENTS)["message"] == "the token does not have the scope 'write'"
    writer.post("/v1/events", EVENTS)
    assert writer.refused(403, "POST", "/v1/recommend", {"user": 3})["code"] == "wrong_scope"
    writer.refused(403, "GET", "/metrics")
    for caller, status in ((reader, 403), (writer, 403), (chief, 503)):
        caller.refused(status, "POST", "/v1/models", {"models": [{"name": "films"}]})
        caller.refused(status, "POST", "/v1/models/rollback")
    chief.post("/v1/events", EVENTS)
    chief.post("/v1/recommend", {"user": 3})


@pytest.mark.parametrize("token", [None, "wrong", READER[:-1], READER + " ", "é" * 20])
def test_without_a_token_nothing_is_told(kept: Service, token: str | None) -> None:
    app = create_app(kept)
    headers = {} if token is None else {"Authorization": f"Bearer {token}".encode()}
    for path in ("/v1/users", "/v1/model", "/v1/map", "/v1/users/3/history", "/metrics", "/v1/report"):
        answer = Caller(app)("GET", path, headers=headers)
        if token is None or not token.startswith(READER):  # spaces at the end are not part of a header
            assert answer.status_code == 401, path
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert "send the header 'Authorization: Bearer TOKEN'" in answer.json()["error"]["message"]
    for path in ("/healthz", "/readyz", "/openapi.json", "/"):
        assert Caller(app)("GET", path).status_code == 200


@pytest.mark.parametrize("authorization", [b"", b"Bearer wrong", b"Basic " + READER.encode()])
def test_without_a_token_no_body_is_read(kept: Service, authorization: bytes) -> None:
    """Hundreds of strangers with a megabyte each would fill the memory, and JSON takes time to read."""
    app, sent = create_app(kept), []

    async def receive() -> Message:
        raise AssertionError("the body is read")

    async def send(message: Message) -> None:
        sent.append(message)

    for path, status in (("/v1/recommend", 401), ("/v1/nothing", 401), ("/healthz", 405), ("/", 405)):
        scope = {"type": "http", "method": "POST", "path": path, "root_path": "", "query_string": b""}
        asyncio.run(app({**scope, "headers": [(b"authorization", authorization)]}, receive, send))
        assert [message["status"] for message in sent if "status" in message] == [status], path
        sent.clear()


def test_every_route_of_data_asks_for_a_token(kept: Service) -> None:
    caller = Caller(create_app(kept))
    document = caller.get("/openapi.json")
    for path, methods in document["paths"].items():
        for method in methods:
            if path not in ("/healthz", "/readyz"):
                body = {} if method == "post" else None
                assert caller(method.upper(), path.replace("{user}", "3"), body).status_code == 401, path


def test_without_tokens_only_this_machine_is_answered(ask: Caller) -> None:
    """A page elsewhere may point its own name at 127.0.0.1, and the browser then asks under that name."""
    for host in ("localhost", "LOCALHOST:8000", "127.0.0.1:80", "127.0.0.5:80", "[::1]:8000", "[::1]"):
        assert ask("GET", "/healthz", headers={"Host": host}).status_code == 200
    for host in (
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil",
        "",
        "localhost:80:80",
    ):
        error = ask.refused(403, "GET", "/v1/users", headers={"Host": host})
        assert error["message"] == "without tokens, only requests to localhost are answered"


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://localhost:9000", "http://localhost.evil.example", "null"]
)
def test_a_page_of_another_site_cannot_ask(ask: Caller, origin: str) -> None:
    """A browser sends it to 127.0.0.1 under that very name, and without asking first unless the body is JSON."""
    for path in ("/v1/models/rollback", "/v1/events", "/v1/recommend"):
        error = ask.refused(403, "POST", path, headers={"Origin": origin})
        assert error["code"] == "wrong_origin"
        assert error["message"] == "a page of another site sent this request; without tokens, such requests are refused"


def test_the_own_page_may_ask(ask: Caller) -> None:
    for host in ("localhost", "127.0.0.1:8000", "[::1]:8000"):
        headers = {"Host": host, "Origin": f"http://{host}"}
        assert ask("POST", "/v1/recommend", {"user": 3}, headers=headers).status_code == 200


def test_with_tokens_any_page_may_ask(kept: Service) -> None:
    headers = {"Host": "shop.example", "Origin": "https://console.example"}
    assert (
        Caller(create_app(kept), token=READER)("POST", "/v1/recommend", {"user": 3}, headers=headers).status_code == 200
    )


def test_with_tokens_any_name_is_answered(kept: Service) -> None:
    caller = Caller(create_app(kept), token=READER)
    assert caller("GET", "/v1/users", headers={"Host": "shop.example"}).status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/docs/swagger-ui.css", "/healthz", "/v1/users", "/nothing", "/v1/users?limit=0"]
)
def test_every_answer_has_its_headers(ask: Caller, path: str) -> None:
    headers = ask("GET", path).headers
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"


def test_a_report_runs_in_a_sandbox(ask: Caller, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service.model, "report", "<title>Report</title>")
    answer = ask("GET", "/v1/report")
    assert answer.text == "<title>Report</title>"
    assert answer.headers["Content-Security-Policy"].startswith("sandbox allow-scripts; default-src 'none'")


def test_the_log_has_no_ids(ask: Caller, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="motet.serve"):
        ask("GET", "/v1/users/secret-person/history")
        ask("GET", "/v1/users?search=secret-person")
        ask("POST", "/v1/recommend", {"user": "secret-person"})
        ask("GET", "/secret-person")
        ask("SECRET", "/secret-person")
    lines = [json.loads(line) for line in caplog.messages if line.startswith("{")]
    assert [line["status"] for line in lines] == [200, 200, 200, 404, 404]
    assert lines[0]["route"] == "/v1/users/{user}/history"
    assert not any("secret" in json.dumps(line).lower() for line in lines)
    assert "secret" not in ask("GET", "/metrics").text.lower()


def test_a_body_that_does_not_come(ask: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_TIMEOUT_S", 0.01)
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        await asyncio.Event().wait()
        return {}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/recommend", "headers": [(b"host", b"localhost")]}
    asyncio.run(ask.app(scope, receive, send))  # type: ignore[arg-type]
    assert sent[0]["status"] == 408
    assert b"the body was not received within 0.01 s" in sent[1]["body"]  # type: ignore[operator]


def test_a_body_that_breaks_off_is_not_taken_for_a_whole_one(service: Service) -> None:
    """The end of a chunked body may be missing where its JSON is complete."""
    parts: list[Message] = [
        {"type": "http.request", "body": json.dumps(EVENTS).encode(), "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return parts.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/v1/events", "root_path": "", "query_string": b""}
    asyncio.run(create_app(service)({**scope, "headers": headers}, receive, send))
    assert service.store is not None
    assert service.store.count() == 0
    assert sent[0]["status"] == 400
    assert b"the connection ended before the whole body had come" in sent[1]["body"]


def test_a_full_service_refuses_at_once_and_recovers(served: ServedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(threads=1, waiting=2, timeout_s=60)
    service, go = Service(Lineup.alone(served), gate=gate), threading.Event()
    monkeypatch.setattr(service, "recommend", lambda _: {"waited": go.wait(60)})

    async def crowd() -> list[int]:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(create_app(service)), base_url="http://localhost"
        ) as http:
            first = [asyncio.create_task(http.post("/v1/recommend", json={"user": 3})) for _ in range(3)]
            while gate.inside < 3:
                await asyncio.sleep(0.001)
            refused = await http.post("/v1/recommend", json={"user": 3})
            assert refused.json()["error"]["code"] == "busy"
            assert refused.headers["Retry-After"] == "1"
            assert (await http.get("/healthz")).status_code == 200
            go.set()
            answered = [(await task).status_code for task in first]
            return [*answered, (await http.post("/v1/recommend", json={"user": 3})).status_code]

    assert asyncio.run(crowd()) == [200, 200, 200, 200]
    gate.close()


def test_work_that_takes_too_long_is_given_up_and_counts_until_it_ends() -> None:
    gate, go = Gate(threads=1, waiting=0, timeout_s=0.01), threading.Event()
    with pytest.raises(Problem, match=r"no answer within 0\.01 s; try again"):
        asyncio.run(gate.run(go.wait))
    with pytest.raises(Problem, match="1 requests are being served or wait; try again"):
        asyncio.run(gate.run(go.wait))
    go.set()
    gate.close()
    assert gate.inside == 0


def test_an_error_of_the_work_comes_through() -> None:
    gate = Gate(threads=1)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(gate.run(lambda: 1 // 0))
    assert gate.inside == 0
    gate.close()


def test_tokens_from_a_file_and_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"\ufeff# who may what\n{READER} read,write  # the shop\n\n{CHIEF} admin\n")
    tokens = Tokens.find(file)
    assert tokens is not None
    assert tokens.scopes(READER) == {"read", "write"}
    assert tokens.scopes(CHIEF) == {"read", "write", "admin"}
    assert tokens.scopes("") == frozenset()
    monkeypatch.delenv("MOTET_TOKENS", raising=False)
    assert Tokens.find(None) is None
    monkeypatch.setenv("MOTET_TOKENS", f"{READER} read; {WRITER} write")
    found = Tokens.find(None)
    assert found is not None
    assert found.scopes(WRITER) == {"write"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("short read", "token 1 has 5 characters; use at least 16, chosen at random"),
        (f"{READER} reed", "token 1 has the scope 'reed'; did you mean 'read'? Scopes: read, write, admin"),
        (READER, "line 1 of .*tokens is not a token and its scopes, as in: TOKEN read,write"),
        (f"{READER} admin\n{READER} read", "line 2 of .*tokens repeats a token; write all its scopes on one line"),
        ("# nobody\n", "tokens holds no tokens; write lines such as: TOKEN read,write"),
    ],
)
def test_tokens_that_break_a_rule(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "tokens").write_text(text)
    with pytest.raises(ConfigError, match=message.replace("?", "[?]")) as caught:
        Tokens.find(tmp_path / "tokens")
    assert READER not in str(caught.value)


def test_tokens_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the tokens in .*nowhere cannot be read"):
        Tokens.find(tmp_path / "nowhere")


def test_head_is_a_get_without_its_body(ask: Caller, service: Service) -> None:
    for path in ("/", "/healthz", "/readyz", "/v1/model"):
        head, get = ask("HEAD", path), ask("GET", path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers == get.headers
    assert ask("HEAD", "/v1/recommend").status_code == 405
    assert b'motet_requests_total{method="HEAD",route="/healthz",status="200"} 1.0' in service.metrics.text()
