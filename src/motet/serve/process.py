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
from motet.serve.gate import Gate, Limits
from motet.serve.http.app import create_app
from motet.serve.http.timeouts import TimeoutProtocol
from motet.serve.log import log_to_stderr
from motet.serve.rollout.deployment import Deployment
from motet.serve.rollout.plan_store import PlanStore
from motet.serve.rollout.registry import Registry
from motet.serve.rollout.shared_arrays import SharedArrays
from motet.serve.service import Service
from motet.serve.tokens import Tokens

SWITCH_S = 0.001  # by default a thread that computes keeps the thread that reads and writes waiting for 5 ms


def serve(
    listening: socket.socket,
    ready: Callable[[], None],
    beat: Callable[[], None],
    *,
    registry: Registry,
    plans: PlanStore,
    events: str,
    tokens: Tokens | None,
    limits: Limits,
    arrays: Path | None,
) -> None:
    """Answer requests with the models of the plan in force until this process gets SIGTERM or SIGINT.

    Args:
        listening: Socket that requests come from.
        ready: Called once requests are answered.
        beat: Called several times a second from then on, as a sign of life.
        registry: Finds models by name.
        plans: Stores the plan.
        events: Argument of `EventStore`.
        tokens: Valid tokens; None if requests need none.
        limits: Limits of this process.
        arrays: Folder of the large arrays that processes share; None if this process is the only one.
    """
    torch.set_num_threads(1)  # requests run in parallel; threads within one would only wait for each other
    sys.setswitchinterval(SWITCH_S)
    bound()
    store = EventStore(events)
    gc.collect()
    gc.freeze()  # imported modules stay; searching them for garbage over and over delays requests
    deployment = Deployment(registry, plans, shared=None if arrays is None else SharedArrays(arrays))
    gate = Gate(**limits._asdict())
    service = Service(deployment.lineup, deployment=deployment, store=store, tokens=tokens, gate=gate)
    deployment.follow(service.show)
    log_to_stderr()
    settings = uvicorn.Config(
        create_app(service),
        log_config=None,
        log_level="error",  # its warnings are about single requests, and no JSON
        access_log=False,  # it would contain ids
        server_header=False,
        date_header=False,
        http=TimeoutProtocol,
        ws="none",
        timeout_graceful_shutdown=10,
    )
    server = _BeatingServer(settings, gate, beat)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, server.handle_exit)  # also before uvicorn does so, and when it raises them again at the end
    ready()
    server.run(sockets=[listening])
    service.close()
    store.close()


class _BeatingServer(uvicorn.Server):
    """Gives a sign of life as long as its event loop runs and not all of its threads are stuck."""

    def __init__(self, settings: uvicorn.Config, gate: Gate, beat: Callable[[], None]) -> None:
        super().__init__(settings)
        self._gate = gate
        self._beat = beat

    async def on_tick(self, counter: int) -> bool:  # ten times a second
        if not self._gate.stuck:
            self._beat()
        return await super().on_tick(counter)
