"""Where events live: one table, in SQLite or PostgreSQL, told to put every commit on the disk."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import suppress
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Engine,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    create_engine,
    event,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from motet.errors import ConfigError

TIMEOUT_S = 5  # a statement, or the wait for another writer; a request waits no longer for its events
CONNECT_TIMEOUT_S = 2
MEMORY = ":memory:"
KNOWN = "the path of a SQLite file, or postgresql://user@host/database"
# What no wait mends: no such folder, a folder in its place, no right to write, a file of something else.
LASTING_SQLITE = ("SQLITE_CANTOPEN", "SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")
LASTING_STATES = ("28", "3D", "42", "25006")  # of SQL: who may come in, the database, rights and tables, a copy to read
# Without a state, before there is a connection: no such host, an address that is none, or nobody let in by this name,
# and not because the server starts, ends, or has no room.
LASTING_WORDS = re.compile(
    'failed to resolve host|invalid [a-z ]+: "|invalid connection option|'
    "FATAL:(?!.*(the database system|too many|connection slots|terminat))"
)


def connect(url: str) -> tuple[Engine, Table]:
    """A pool of connections, none of them open yet, and the table of events.

    Args:
        url: Path of a SQLite file, or `postgresql://...`.

    Returns:
        The engine and the table.

    Raises:
        ConfigError: If the url is of another kind of database.
    """
    parsed = _parse(url)
    engine = _postgresql(parsed) if parsed.drivername.startswith("postgresql") else _sqlite(parsed)
    return engine, _events()


def describe(url: str) -> str:
    """The database in words, without its password.

    Args:
        url: As in `connect`.

    Returns:
        Such as `the event store events.db`.
    """
    parsed = _parse(url)
    # The query may hold a password too.
    place = parsed.database if parsed.drivername == "sqlite" else parsed.set(query={}).render_as_string()
    return f"the event store {place}"


def lasts(error: BaseException | None) -> bool:
    """Whether what a driver says is about the address rather than about the moment.

    Args:
        error: Of `sqlite3` or `psycopg`.

    Returns:
        False where the database may be back later, or nothing is known.

    Example:
        >>> lasts(sqlite3.OperationalError("disk I/O error"))
        False
    """
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorname", "").startswith(LASTING_SQLITE)
    state = getattr(error, "sqlstate", None)
    return state.startswith(LASTING_STATES) if state else LASTING_WORDS.search(str(error)) is not None


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url) if "://" in url else URL.create("sqlite", database=url)
    except (ArgumentError, ValueError) as error:  # the second of a port that is no number
        begin = url.partition("://")[0]  # the rest may hold a password
        raise ConfigError(f"the event store {begin}://... cannot be read as an address; give {KNOWN}") from error
    kind = parsed.get_backend_name() if parsed.drivername.partition("+")[0] in ("sqlite", "postgresql") else ""
    if kind not in ("sqlite", "postgresql") or (kind == "sqlite" and not parsed.database):
        raise ConfigError(f"the event store {parsed.drivername}:// is no database motet knows; give {KNOWN}")
    if kind == "sqlite" and parsed.database == MEMORY:
        raise ConfigError(f"the event store {MEMORY} ends with the process; give {KNOWN}")
    return parsed.set(drivername=kind)


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"timeout": TIMEOUT_S, "check_same_thread": False})

    @event.listens_for(engine, "do_connect")
    def private(*_connecting: Any) -> None:
        # What people did is for the owner of the file alone; SQLite gives the log beside it the same rights.
        with suppress(OSError):  # it is there already, or connecting says what is wrong
            os.close(os.open(str(url.database), os.O_CREAT | os.O_EXCL, 0o600))

    @event.listens_for(engine, "connect")
    def settings(connection: sqlite3.Connection, _record: Any) -> None:
        # With a write-ahead log readers and the writer do not wait for each other; FULL syncs it at every commit.
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    return engine


def _postgresql(url: URL) -> Engine:
    options = f"-c synchronous_commit=on -c statement_timeout={TIMEOUT_S * 1000} -c lock_timeout={TIMEOUT_S * 1000}"
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,  # a connection may have died with a restart of the server
        pool_timeout=TIMEOUT_S,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "tcp_user_timeout": TIMEOUT_S * 1000,
            "options": options,
            "application_name": "motet",
        },
    )


def _events() -> Table:
    columns = (
        Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
        Column("id", Text, nullable=False, unique=True),
        Column("user_id", Text, nullable=False),
        Column("item_id", Text, nullable=False),
        Column("time", Double, nullable=False),
        Column("event", Text),
        Column("value", Double),
    )
    return Table("motet_events", MetaData(), *columns, Index("motet_events_of_user", "user_id", "time"))
