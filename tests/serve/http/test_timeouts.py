"""Clients that are slow, or many, over real sockets: none of them keeps the service from others."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from motet.client.connection import IDLE_TIMEOUT_S
from motet.serve.gate import Gate
from motet.serve.http import timeouts as patience
from motet.serve.http.guard import Guard
from motet.serve.metrics import Metrics
from serve.conftest import listening

LARGE = 1 << 26  # bytes: more than the system keeps for a client that does not read


METRICS = Metrics()


async def size(request: Request) -> Response:
    return Response(b"." * int(request.query_params.get("size", "2")))


@pytest.fixture
def port() -> Iterator[int]:
    app = Starlette(routes=[Route("/", size)])
    with listening(Guard(app, metrics=METRICS, gate=Gate(), tokens=None)) as address:
        yield httpx.URL(address).port or 0


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def ended(client: socket.socket) -> bool:
    """Waits for the end of a connection, which comes unasked."""
    try:
        while client.recv(1 << 16):
            pass
    except ConnectionError:
        pass
    return True


def test_a_head_that_does_not_come_ends_the_connection(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "HEAD_TIMEOUT_S", 0.2)
    with connected(port) as silent, connected(port) as slow, connected(port) as kept:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow")
        kept.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert kept.recv(1000).startswith(b"HTTP/1.1 200")
        kept.sendall(b"GET /")  # a second request on the same connection, slow this time
        assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 200
        assert all(ended(client) for client in (silent, slow, kept))


def test_a_head_has_time_and_then_counts_no_more(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "HEAD_TIMEOUT_S", 0.5)
    with connected(port) as client:
        for _ in range(2):
            for part in (b"GET / HT", b"TP/1.1\r\nHost: local", b"host\r\n\r\n"):
                client.sendall(part)
                time.sleep(0.05)
            assert client.recv(1000).endswith(b"..")
        time.sleep(0.6)  # no request is under way, so that none is late
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(1000).endswith(b"..")


def test_a_body_that_does_not_come_ends_the_connection_also_after_an_answer(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "BODY_TIMEOUT_S", 0.2)
    with connected(port) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 200")  # this application reads no bodies
        client.sendall(b".")
        assert ended(client)


def test_a_head_without_end_is_refused(port: int) -> None:
    with connected(port) as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        try:
            for number in range(10_000):
                client.sendall(b"X-%d: %s\r\n" % (number, b"x" * 1_000))
        except ConnectionError:
            pass
        else:
            pytest.fail("ten million bytes of head were taken")


def test_a_client_that_does_not_read_is_left(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "READ_TIMEOUT_S", 0.2)
    with connected(port) as client:
        client.sendall(b"GET /?size=%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % LARGE)
        time.sleep(0.5)
        came = 0
        try:
            while part := client.recv(1 << 20):
                came += len(part)
        except ConnectionError:
            pass
        assert came < LARGE
    monkeypatch.setattr(patience, "READ_TIMEOUT_S", 20)
    answer = httpx.get(f"http://127.0.0.1:{port}/?size={LARGE}")  # one that reads gets all of it
    assert len(answer.content) == LARGE


def test_a_kept_connection_ends_when_it_is_idle_and_sooner_in_a_crowd(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert patience.IDLE_TIMEOUT_S > 10 * IDLE_TIMEOUT_S  # a client of motet is always the first to end a connection
    monkeypatch.setattr(patience, "CROWDED_IDLE_TIMEOUT_S", 0.1)
    monkeypatch.setattr(patience, "MOST_CONNECTIONS", 2)
    with connected(port) as kept:
        for _ in range(2):
            kept.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert kept.recv(1000).endswith(b"..")
            time.sleep(0.3)
        with connected(port) as crowd:
            crowd.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert crowd.recv(1000).startswith(b"HTTP/1.1 200")
            assert ended(crowd)
        monkeypatch.setattr(patience, "IDLE_TIMEOUT_S", 0.1)
        kept.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert ended(kept)


@pytest.mark.parametrize(
    ("asked", "after"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\r\n"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n", b".."),
    ],
    ids=["an empty line", "the body of an answered request"],
)
def test_a_kept_connection_ends_also_after_bytes_that_begin_no_request(
    port: int, monkeypatch: pytest.MonkeyPatch, asked: bytes, after: bytes
) -> None:
    monkeypatch.setattr(patience, "IDLE_TIMEOUT_S", 0.2)
    with connected(port) as client:
        client.settimeout(3)
        client.sendall(asked)
        assert client.recv(1000).endswith(b"..")
        client.sendall(after)
        assert ended(client)


def test_a_connection_too_many_is_told_to_come_again(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "MOST_CONNECTIONS", 2)
    with connected(port), connected(port):
        answer = httpx.get(f"http://127.0.0.1:{port}/")
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "1"
        assert answer.headers["Connection"] == "close"
        assert answer.json()["error"]["message"] == "more than 2 connections are open; try again"
        assert b'motet_requests_total{method="GET",route="other",status="503"} 1.0' in METRICS.text()
    for _ in range(1_000):  # until the service has seen that they are gone
        if httpx.get(f"http://127.0.0.1:{port}/").status_code == 200:
            break
    else:
        pytest.fail("the places were not given back")
