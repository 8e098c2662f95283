"""A full service refuses a request before it has read it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from motet.serve.gate import Gate
from motet.serve.http.app import create_app
from motet.serve.problem import Problem
from motet.serve.service import Service
from serve.conftest import Caller


def test_what_would_be_refused_is_not_read(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "gate", Gate(threads=1, waiting=0))
    go, read, app = threading.Event(), [], create_app(service)

    async def receive() -> dict[str, Any]:
        read.append("body")
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def status(path: str) -> int:
        sent: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b""}
        await app(scope, receive, send)  # type: ignore[arg-type]
        return int(sent[0]["status"])

    async def ask() -> None:
        working = asyncio.create_task(service.gate.run(lambda: go.wait(60)))
        await asyncio.sleep(0)
        for path in ("/v1/recommend", "/v1/score", "/v1/similar", "/v1/events"):
            assert await status(path) == 503
        assert read == []
        assert await status("/v1/models") == 422  # not the gate's
        go.set()
        await working
        assert await status("/v1/recommend") == 422
        assert len(read) == 2

    asyncio.run(ask())
    text = Caller(app)("GET", "/metrics").text
    assert 'motet_requests_total{method="POST",route="/v1/recommend",status="503"} 1.0' in text
    service.gate.close()


def test_a_gate_is_stuck_when_all_its_threads_are_at_work_that_was_given_up() -> None:
    gate, go = Gate(threads=2, timeout_s=0.05), threading.Event()

    async def ask(work: Callable[[], object]) -> None:
        with pytest.raises(Problem, match=r"no answer within 0\.05 s; try again"):
            await gate.run(work)

    asyncio.run(ask(lambda: go.wait(60)))
    assert not gate.stuck
    asyncio.run(ask(lambda: go.wait(60)))
    assert gate.stuck
    go.set()
    gate.close()
    assert not gate.stuck


def test_the_gate_says_when_it_is_full() -> None:
    gate = Gate(threads=1, waiting=0)
    gate.check()
    gate.inside = 1
    with pytest.raises(Problem, match="1 requests are being served or wait; try again") as caught:
        gate.check()
    assert caught.value.headers == {"Retry-After": "1"}
    gate.close()
