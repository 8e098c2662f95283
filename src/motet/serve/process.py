"""One process of a service: it loads the models and runs uvicorn."""

from __future__ import annotations

import gc
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import torch
import uvicorn

from motet.heap import bound
from motet.serve.events.store import EventStore
from motet.serve.gate import Gate
from motet.serve.http.app import create_app
from motet.serve.http.timeouts import TimeoutProtocol
from motet.serve.log import log_to_stderr
from motet.serve.rollout.deployment import Deployment
from motet.serve.rollout.plan_store import PlanStore
from motet.serve.rollout.registry import Registry
from motet.serve.rollout.shared_arrays import SharedArrays
from motet.serve.service import Service
from motet.serve.tokens import Tokens

SWITCH_S = 0.001  # Python's own 5 ms are how long a thread that computes may keep the one that reads and writes waiting


def serve(
    listening: socket.socket,
    ready: Callable[[], None],
    beat: Callable[[], None],
    *,
    registry: Registry,
    plans: PlanStore,
    events: str,
    tokens: Tokens | None,
    limits: tuple[int, int, float],
    arrays: Path | None,
) -> None:
    """Answer with the models of the plan in force until this process gets SIGTERM or SIGINT.

    Args:
        listening: Where requests come from.
        ready: Is called once they are answered.
        beat: Is called again and again while they are: a sign of life.
        registry: Where models are.
        plans: Where the plan is kept.
        events: Where events are kept.
        tokens: Who may ask.
        limits: As `run` takes them.
        arrays: Folder where processes put large arrays, so that memory holds each once.
    """
    threads, waiting, timeout_s = limits
    torch.set_num_threads(1)  # requests run side by side; threads of their own would only wait for each other
    sys.setswitchinterval(SWITCH_S)
    bound()
    store = EventStore(events)
    gc.collect()
    gc.freeze()  # all that is imported stays: looking through it for garbage again and again holds requests up
    deployment = Deployment(registry, plans, shared=None if arrays is None else SharedArrays(arrays))
    gate = Gate(threads=threads, waiting=waiting, timeout_s=timeout_s)
    service = Service(deployment.lineup, deployment=deployment, store=store, tokens=tokens, gate=gate)
    deployment.follow(service.show)
    log_to_stderr()
    settings = uvicorn.Config(
        create_app(service),
        log_config=None,
        log_level="warning",
        access_log=False,  # it would hold ids
        server_header=False,
        date_header=False,
        http=TimeoutProtocol,
        ws="none",
        timeout_graceful_shutdown=10,
    )
    ready()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: None)  # uvicorn raises them once more when all is answered
    _Beating(settings, gate, beat).run(sockets=[listening])
    service.close()
    store.close()


class _Beating(uvicorn.Server):
    """Gives signs of life while its loop turns and its threads get on."""

    def __init__(self, settings: uvicorn.Config, gate: Gate, beat: Callable[[], None]) -> None:
        super().__init__(settings)
        self._gate = gate
        self._beat = beat

    async def on_tick(self, counter: int) -> bool:  # ten times a second
        if not self._gate.stuck:
            self._beat()
        return await super().on_tick(counter)
