"""Run a service: the model loaded, the socket bound, and uvicorn around it."""

from __future__ import annotations

import logging
import socket
import sys
from ipaddress import ip_address
from pathlib import Path

import torch
import uvicorn

from motet.errors import ConfigError
from motet.serve.app import create_app
from motet.serve.gate import Gate
from motet.serve.served import ServedModel
from motet.serve.service import Service
from motet.serve.store import EventStore
from motet.serve.tokens import Tokens

MOST_CONNECTIONS = 1_000


def run(
    model: Path,
    *,
    host: str,
    port: int,
    events: str | None = None,
    tokens: Path | None = None,
    limits: tuple[int, int, float] = (2, 64, 10.0),
) -> None:
    """Serve until somebody stops the process.

    Args:
        model: Folder of a saved model.
        host: Address to listen on.
        port: 0 for a free one.
        events: Where events are kept; beside the model where not given.
        tokens: File of tokens.
        limits: Threads, how many requests may wait beyond them, and seconds until one is given up.

    Raises:
        ConfigError: If the address is not this machine's own and there are no tokens, or cannot be listened on.
    """
    allowed = Tokens.find(tokens)
    if allowed is None and not is_here(host):
        raise ConfigError(
            f"host {host!r} can be reached from other machines, so that requests need tokens; write lines such as "
            "'TOKEN read,write' to a file and pass --tokens FILE, or set MOTET_TOKENS"
        )
    listening = listen(host, port)
    folder = model.resolve()
    store = EventStore(events or str(folder.with_name(f"{folder.name}.events.db")))
    threads, waiting, timeout_s = limits
    torch.set_num_threads(1)  # requests run side by side; threads of their own would only wait for each other
    served = ServedModel.load(model)
    gate = Gate(threads=threads, waiting=waiting, timeout_s=timeout_s)
    service = Service(served, store=store, tokens=allowed, gate=gate)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    print(
        f"motet serves {served.name} at http://{_shown(host)}:{listening.getsockname()[1]}/",
        file=sys.stderr,
        flush=True,
    )
    settings = uvicorn.Config(
        create_app(service),
        log_config=None,
        log_level="warning",
        access_log=False,  # it would hold ids
        server_header=False,
        date_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=10,
    )
    uvicorn.Server(settings).run(sockets=[listening])
    gate.close()
    store.close()


def is_here(host: str) -> bool:
    """Whether only this machine can reach an address.

    Args:
        host: A name or an address.

    Returns:
        True for `localhost` and loopback addresses.

    Example:
        >>> is_here("127.0.0.1"), is_here("::1"), is_here("localhost"), is_here("0.0.0.0"), is_here("shop")
        (True, True, True, False, False)
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


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
        raise ConfigError(f"host {host!r} is no address: {error.strerror}; give one of this machine's") from error
    try:
        bound.bind(address)
        bound.listen(2048)
    except OSError as error:
        bound.close()
        raise ConfigError(
            f"cannot listen on {host} port {port}: {error.strerror}; choose another with --port"
        ) from error
    return bound


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
