"""What callers get wrong, over a real socket: each is told what, and nobody else has to wait for it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from motet.serve.http import guard
from motet.serve.http.app import create_app
from motet.serve.models.served import ServedModel
from motet.serve.rollout.lineup import Lineup
from motet.serve.service import Service
from serve.conftest import listening

JSON = {"Content-Type": "application/json"}
HEAD = b"POST /v1/recommend HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def port(served: ServedModel) -> Iterator[int]:
    service = Service(Lineup.alone(served))
    with listening(create_app(service)) as address:
        yield httpx.URL(address).port or 0
    service.close()


def post(port: int, body: bytes | Iterator[bytes], **headers: str) -> httpx.Response:
    return httpx.post(f"http://127.0.0.1:{port}/v1/recommend", content=body, headers={**JSON, **headers}, timeout=30)


def error(answer: httpx.Response) -> dict[str, Any]:
    assert set(answer.json()) == {"error"}
    found: dict[str, Any] = answer.json()["error"]
    assert set(found) == {"code", "message", "field"}
    return found


def served_still(port: int) -> bool:
    return post(port, b'{"user": 3}').status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "field", "words"),
    [
        (b"{'user': 3}", 400, None, "the body is not JSON: "),
        ('{"user": "José"}'.encode("latin-1"), 400, None, "the body is not JSON: it is not written in UTF-8"),
        (b'{"user": 3, "features": {"age": NaN}}', 422, "features.age", "age: Input should be a finite number"),
        (b'{"user": 3, "where": {"year": [1, NaN]}}', 422, "where.year.1", "should be a finite number"),
        (b'{"user": 3, "where": {"year": {"min": NaN}}}', 422, "where.year.min", "should be a finite number"),
        (b'{"user": 3, "by": {"stars": -Infinity}}', 422, "by.stars", "finite"),
        (b'{"user": "%s"}' % (b"x" * 257), 422, "user", "user: String should have at most 256 characters"),
        (b'{"user": 1.5}', 422, "user", "user: Input should be a valid integer or a valid string"),
        (b'{"user": 3, "exclude": ["a", 1.5]}', 422, "exclude.1", "Input should be a valid integer or a valid string"),
        (b'{"user": 3, "k": 0}', 422, "k", "greater than or equal to 1"),
        (b'{"user": 3, "k": 1001}', 422, "k", "less than or equal to 1000"),
        (b'{"user": 3, "where": {"yaer": 1980}}', 422, "where.yaer", "did you mean 'year'? Columns: title, genres"),
        (b'{"user": 3, "by": {"star": 1}}', 422, "by", "did you mean 'stars'?"),
        (b'{"user": 3, "users": "all"}', 422, "users", "valid list"),
    ],
)
def test_a_body_that_is_wrong(port: int, body: bytes, status: int, field: str | None, words: str) -> None:
    answer = post(port, body)
    assert answer.status_code == status
    found = error(answer)
    assert words in found["message"]
    assert found["field"] == field


def test_more_items_than_there_are(port: int) -> None:
    items = post(port, b'{"user": "stranger", "k": 1000}').json()["results"][0]["items"]
    assert len(items) == 12


def test_a_body_without_a_length_is_counted_as_it_comes(port: int) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(33):
            yield b" " * (1 << 15)

    answer = post(port, parts())
    assert answer.status_code == 413
    assert error(answer)["message"] == "the body has more than 1,048,576 bytes; send less at a time"


@pytest.mark.parametrize(("length", "status"), [(b"0" * 5000 + b"11", b"200 OK"), (b"1" * 19, b"413 ")])
def test_a_length_of_very_many_digits(port: int, length: bytes, status: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(HEAD + b'Content-Length: %s\r\n\r\n{"user": 3}' % length)
        assert client.recv(1000).startswith(b"HTTP/1.1 " + status)


def test_what_is_no_http(port: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "motet.serve")
    for said in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"HELO shop\r\n\r\n", b"GET /\x00 HTTP/1.1\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            client.sendall(said)
            head, _, body = client.recv(1000).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 400 Bad Request")
            assert json.loads(body)["error"]["message"] == "Invalid HTTP request received."
            assert client.recv(1000) == b""
    refused = [line for line in map(json.loads, caplog.messages) if line["event"] == "refused"]
    assert [(line["status"], line["reason"]) for line in refused] == 3 * [(400, "Invalid HTTP request received.")]
    assert served_still(port)


def test_a_body_that_breaks_off(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(HEAD + b'Content-Length: 100\r\n\r\n{"user"')
    assert served_still(port)


def test_a_body_that_comes_slowly_is_told_so(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_TIMEOUT_S", 0.1)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(HEAD + b'Content-Length: 11\r\n\r\n{"user"')
        answer = client.recv(1 << 16)
        assert answer.startswith(b"HTTP/1.1 408 Request Timeout")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "timeout"


def test_slow_callers_keep_nobody_waiting(port: int) -> None:
    """More of them than the service answers or queues at once."""
    with ExitStack() as stack:
        for number in range(200):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            slow.sendall(HEAD if number % 2 else HEAD + b'Content-Length: 100\r\n\r\n{"user": ')
        with ThreadPoolExecutor(4) as threads:
            assert all(threads.map(served_still, [port] * 12))
