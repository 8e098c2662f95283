"""Run a service: bind the socket, choose the models to start with, and start one process or several."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from motet.errors import ConfigError, did_you_mean
from motet.serve.gate import Limits
from motet.serve.log import log_to_stderr
from motet.serve.problem import Problem
from motet.serve.rollout.plan import Plan, Wanted
from motet.serve.rollout.plan_store import PlanStore
from motet.serve.rollout.registry import Registry
from motet.serve.scratch import scratch_folder
from motet.serve.tokens import Tokens, is_loopback
from motet.serve.workers import Say, Workers

KEPT_IN = ".serving"
DEFAULT = Limits()


def run(
    models: Sequence[Path],
    *,
    shadows: Sequence[Path] = (),
    shares: Mapping[str, float] | None = None,
    folder: Path | None = None,
    host: str,
    port: int,
    events: str | None = None,
    tokens: Path | None = None,
    limits: Limits = DEFAULT,
    workers: int = 1,
) -> None:
    """Serve until the process is stopped.

    Args:
        models: Folders of saved models that share the users; if empty, what was served last.
        shadows: Folders of models that get copies of requests.
        shares: Share of the users for a model, by name.
        folder: Holds folders of saved models that may be served later; what is served is stored there, in `.serving`.
        host: Address to listen on.
        port: Port to listen on; 0 for a free one.
        events: Where events are stored; if not given, beside `folder` or else beside the first model.
        tokens: File of tokens.
        limits: Limits of each worker.
        workers: Number of processes.

    Raises:
        ConfigError: If other machines can reach the address and there are no tokens, the address cannot be listened
            on, the models break a rule, or events cannot be stored at `events`.
    """
    allowed = Tokens.find(tokens)
    if allowed is None and not is_loopback(host):
        raise ConfigError(
            f"host {host!r} can be reached from other machines, so requests need tokens; write lines such as "
            "'TOKEN read,write' to a file and pass --tokens FILE, or set MOTET_TOKENS"
        )
    with listen(host, port) as listening, scratch_folder() as scratch:
        registry = Registry([*models, *shadows], folder)
        plans = PlanStore(scratch / "plans" if folder is None else folder / KEPT_IN)
        plan = begin(registry, plans, models, shadows, shares or {})
        events = events or _beside((folder or models[0]).resolve())
        check_events(events)
        work = partial(
            _serve,
            registry=registry,
            plans=plans,
            events=events,
            tokens=allowed,
            limits=limits,
            arrays=scratch / "arrays" if workers > 1 else None,
        )
        names = ", ".join(place.name for place in plan.places)
        said = f"motet serves {names} at http://{_shown(host)}:{listening.getsockname()[1]}/"
        ready = partial(print, said, file=sys.stderr, flush=True)
        if workers == 1:
            work(listening, ready, lambda: None)
        else:
            log_to_stderr()
            Workers(work, listening, count=workers, folder=str(scratch)).run(ready)


def begin(
    registry: Registry, plans: PlanStore, models: Sequence[Path], shadows: Sequence[Path], shares: Mapping[str, float]
) -> Plan:
    """Put the first plan of a service in force: the models that are named, or else what was served last.

    Args:
        registry: Finds models by name.
        plans: Stores the plan.
        models: Folders of live models.
        shadows: Folders of shadows.
        shares: Shares by name.

    Returns:
        The plan.

    Raises:
        ConfigError: If there is nothing to serve, a share names no model, or the plan cannot be stored.
    """
    plan = plans.newest()
    live = [path.resolve().name for path in models]
    if not models:
        if shares or shadows:
            raise ConfigError("shares and shadows need models; name the models too")
        if plan.places:
            return plan
        live = list(registry.models())
        if len(live) != 1:
            raise ConfigError(
                f"nothing was served from this folder before, and it has {len(live)} models; name those to "
                "serve, as in: motet serve DIR/MODEL --models DIR"
            )
    for name in shares:
        if name not in live:
            hint = did_you_mean(name, live)
            raise ConfigError(
                f"there is a share for {name!r}, but no live model of that name{hint} Models: {', '.join(live)}."
            )
    wanted = [Wanted(name, shares.get(name)) for name in live]
    wanted += [Wanted(path.resolve().name, role="shadow") for path in shadows]
    begun = plan.changed(wanted, {one.name: registry.version(one.name) for one in wanted})
    if begun is not plan:
        try:
            plans.keep(begun)
        except Problem as problem:
            raise ConfigError(str(problem)) from None
    return begun


def listen(host: str, port: int) -> socket.socket:
    """Bind a socket. This happens before a model is loaded, so that a port in use is reported at once.

    Args:
        host: A name or an address.
        port: The port; 0 for a free one.

    Returns:
        The socket.

    Raises:
        ConfigError: If it cannot be bound.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    except OSError as error:
        raise ConfigError(f"host {host!r} is not an address: {error.strerror}; give one of this machine") from error
    try:
        bound.bind(address)
        bound.listen(2048)
    except OSError as error:
        bound.close()
        raise ConfigError(
            f"cannot listen on {host} port {port}: {error.strerror}; choose another with --port"
        ) from error
    return bound


def check_events(url: str) -> None:
    """Try the event store before a model is loaded, so that a wrong address is reported at once.

    A database that is only down does not stop the service, which recommends without it.

    Args:
        url: Argument of `EventStore`.

    Raises:
        ConfigError: If events can never be stored there.
    """
    from motet.serve.events.store import EventStore, StoreError  # imports SQLAlchemy, not needed to report a wrong port

    store = EventStore(url)
    try:
        store.check()
    except StoreError as error:
        said = "motet: {}; recommendations are served without new events until it does, and events are refused"
        print(said.format(error), file=sys.stderr, flush=True)
    finally:
        store.close()


def _serve(listening: socket.socket, ready: Say, beat: Say, **arguments: Any) -> None:
    from motet.serve.process import serve  # imports torch, which the parent of workers does without

    serve(listening, ready, beat, **arguments)


def _beside(folder: Path) -> str:
    return str(folder.with_name(f"{folder.name}.events.db"))


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
