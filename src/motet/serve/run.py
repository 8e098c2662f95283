"""Run a service: the socket bound, what it begins with chosen, and one process or several that serve."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Any

from motet.errors import ConfigError, did_you_mean
from motet.serve.log import log_to_stderr
from motet.serve.problem import Problem
from motet.serve.rollout.plan import Plan, Wanted
from motet.serve.rollout.plan_store import PlanStore
from motet.serve.rollout.registry import Registry
from motet.serve.tokens import Tokens, is_loopback
from motet.serve.workers import Say, Workers

KEPT_IN = ".serving"
SCRATCH = "motet-serve-"


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
    limits: tuple[int, int, float] = (2, 64, 10.0),
    workers: int = 1,
) -> None:
    """Serve until somebody stops the process.

    Args:
        models: Folders of saved models that share the users; what was served last where none is given.
        shadows: Folders of models that are asked beside them.
        shares: Of the users, by name of a model.
        folder: Holds folders of saved models that may be served later; what is served is kept there, in `.serving`.
        host: Address to listen on.
        port: 0 for a free one.
        events: Where events are kept; beside the folder, or else the first model, where not given.
        tokens: File of tokens.
        limits: Threads, how many requests may wait beyond them, and seconds until one is given up; of each worker.
        workers: Processes.

    Raises:
        ConfigError: If the address is not this machine's own and there are no tokens, or cannot be listened on, or
            the models break a rule, or events cannot be kept where they should be.
    """
    allowed = Tokens.find(tokens)
    if allowed is None and not is_loopback(host):
        raise ConfigError(
            f"host {host!r} can be reached from other machines, so requests need tokens; write lines such as "
            "'TOKEN read,write' to a file and pass --tokens FILE, or set MOTET_TOKENS"
        )
    with listen(host, port) as listening, TemporaryDirectory(prefix=f"{SCRATCH}{os.getpid()}-") as scratch:
        remove_scratch_of_the_dead(Path(scratch).parent)
        registry = Registry([*models, *shadows], folder)
        plans = PlanStore(Path(scratch) / "plans" if folder is None else folder / KEPT_IN)
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
            arrays=Path(scratch) / "arrays" if workers > 1 else None,
        )
        names = ", ".join(place.name for place in plan.places)
        said = f"motet serves {names} at http://{_shown(host)}:{listening.getsockname()[1]}/"
        ready = partial(print, said, file=sys.stderr, flush=True)
        if workers == 1:
            work(listening, ready, _nobody_listens)
        else:
            log_to_stderr()
            Workers(work, listening, count=workers, folder=scratch).run(ready)


def begin(
    registry: Registry, plans: PlanStore, models: Sequence[Path], shadows: Sequence[Path], shares: Mapping[str, float]
) -> Plan:
    """Put in force what a service begins with: the models that were named, or else what it served last.

    Args:
        registry: Where models are.
        plans: Where the plan is kept.
        models: Folders of live models.
        shadows: Folders of shadows.
        shares: By name.

    Returns:
        The plan.

    Raises:
        ConfigError: If there is nothing to begin with, or a share is that of no model.
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
                f"there is a share for {name!r}, but no live model of that name{hint}; models: {', '.join(live)}"
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
    """Bind a socket, so that a port in use is said before a model is loaded.

    Args:
        host: A name or an address.
        port: 0 for a free one.

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
    """Try the event store, so that a wrong address is said before a model is loaded.

    A database that is only down stops nobody: recommendations are served without it.

    Args:
        url: As `EventStore` takes it.

    Raises:
        ConfigError: If no event can ever be kept there.
    """
    from motet.serve.events.store import EventStore, StoreError  # with SQLAlchemy, which a wrong port does without

    store = EventStore(url)
    try:
        store.check()
    except StoreError as error:
        said = "motet: {}; recommendations are served without new events until it does, and events are refused"
        print(said.format(error), file=sys.stderr, flush=True)
    finally:
        store.close()


def remove_scratch_of_the_dead(temporary: Path) -> None:
    """Remove what services left behind that could not tidy up: after `kill -9`, or a loss of power.

    Args:
        temporary: Folder for temporary files.
    """
    for folder in temporary.glob(f"{SCRATCH}*-*") if os.name == "posix" else ():
        try:
            os.kill(int(folder.name.removeprefix(SCRATCH).partition("-")[0]), 0)
        except ProcessLookupError:
            rmtree(folder, ignore_errors=True)
        except (ValueError, OSError):
            continue  # not ours


def _serve(listening: socket.socket, ready: Say, beat: Say, **arguments: Any) -> None:
    from motet.serve.process import serve  # with torch, which a process that only looks after workers does without

    serve(listening, ready, beat, **arguments)


def _nobody_listens() -> None:
    """The sign of life of a process that is alone."""


def _beside(folder: Path) -> str:
    return str(folder.with_name(f"{folder.name}.events.db"))


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
