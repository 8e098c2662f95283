"""The database of events: one table, in SQLite or PostgreSQL, set up to sync every commit to disk."""

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
from sqlalchemy.exc import ArgumentError, DisconnectionError

from motet.errors import ConfigError

TIMEOUT_S = 5  # of a statement, and of the wait for another writer: requests wait no longer for their events
CONNECT_TIMEOUT_S = 2
MEMORY = ":memory:"
EVENTS_TABLE = "motet_events"
KNOWN = "the path of a SQLite file, or postgresql://user@host/database"
# Errors that waiting does not fix: no such folder, a folder instead of a file, no permission, not a database.
LASTING_SQLITE = ("SQLITE_CANTOPEN", "SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")
LASTING_STATES = ("28", "3D", "42", "25006")  # SQL: authentication, no database, permissions and tables, read-only
WRITES_SQLITE = ("SQLITE_FULL", "SQLITE_READONLY", "SQLITE_BUSY", "SQLITE_LOCKED")
WRITES_STATES = ("25006", "53100", "55P03")  # SQL: read-only, disk full, lock not available
# Errors before there is a connection have no state: unknown host, invalid address, or a refused user, unless the server
# is only starting, stopping or full.
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
        ConfigError: If the url names another kind of database.
    """
    parsed = _parse(url)
    engine = _postgresql(parsed) if parsed.drivername.startswith("postgresql") else _sqlite(parsed)
    return engine, _events()


def describe(url: str) -> str:
    """A description of the database for messages, without its password.

    Args:
        url: As in `connect`.

    Returns:
        Text such as `the event store events.db`.
    """
    parsed = _parse(url)
    # The query may hold a password too.
    place = parsed.database if parsed.drivername == "sqlite" else parsed.set(query={}).render_as_string()
    return f"the event store {place}"


def lasts(error: BaseException | None) -> bool:
    """Whether an error is permanent, because the address or the permissions are wrong.

    Args:
        error: An error of `sqlite3` or `psycopg`.

    Returns:
        False if the database may be back later, or if this is not known.

    Example:
        >>> lasts(sqlite3.OperationalError("disk I/O error"))
        False
    """
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorname", "").startswith(LASTING_SQLITE)
    state = getattr(error, "sqlstate", None)
    return state.startswith(LASTING_STATES) if state else LASTING_WORDS.search(str(error)) is not None


def refuses_writes(error: BaseException | None) -> bool:
    """Whether only writing fails: the disk is full, the database is read-only, or another writer holds a lock.

    Args:
        error: An error of `sqlite3` or `psycopg`, met while writing.

    Returns:
        True if reading may still work.

    Example:
        >>> refuses_writes(sqlite3.OperationalError("disk I/O error"))
        False
    """
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorname", "").startswith(WRITES_SQLITE)
    return getattr(error, "sqlstate", None) in WRITES_STATES


def rolled_back(error: BaseException | None) -> bool:
    """Whether PostgreSQL rolled a transaction back because of another one, as in a deadlock; trying again helps.

    Args:
        error: An error of `sqlite3` or `psycopg`.

    Returns:
        True for the errors of SQL's class 40.
    """
    return (getattr(error, "sqlstate", None) or "").startswith("40")


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url) if "://" in url else URL.create("sqlite", database=url)
    except (ArgumentError, ValueError) as error:  # ValueError: the port is not a number
        begin = url.partition("://")[0]  # the rest may hold a password
        raise ConfigError(f"the event store {begin}://... cannot be read as an address; give {KNOWN}") from error
    kind = parsed.get_backend_name() if parsed.drivername.partition("+")[0] in ("sqlite", "postgresql") else ""
    if kind not in ("sqlite", "postgresql") or (kind == "sqlite" and not parsed.database):
        raise ConfigError(f"the event store {parsed.drivername}:// is not a database motet supports; give {KNOWN}")
    if kind == "sqlite" and parsed.database == MEMORY:
        raise ConfigError(f"the event store {MEMORY} ends with the process; give {KNOWN}")
    return parsed.set(drivername=kind)


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"timeout": TIMEOUT_S, "check_same_thread": False})

    @event.listens_for(engine, "do_connect")
    def private(*_connecting: Any) -> None:
        # Events are personal: only the owner may read the file. SQLite gives its log the same permissions.
        with suppress(OSError):  # it exists, or connecting reports what is wrong
            os.close(os.open(str(url.database), os.O_CREAT | os.O_EXCL, 0o600))

    @event.listens_for(engine, "connect")
    def settings(connection: sqlite3.Connection, record: Any) -> None:
        # With a write-ahead log readers and the writer do not wait for each other; FULL syncs it at every commit.
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        record.info["file"] = _identity(url)

    @event.listens_for(engine, "checkout")
    def unmoved(_connection: Any, record: Any, _proxy: Any) -> None:
        # If the file was deleted or replaced, the connection still has the old one, whose events nobody would find.
        if record.info["file"] != _identity(url):
            raise DisconnectionError  # the pool opens a new connection

    return engine


def _identity(url: URL) -> tuple[int, int] | None:
    """What tells a file from another one at the same path; None if there is none."""
    try:
        found = os.stat(str(url.database))
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _postgresql(url: URL) -> Engine:
    options = f"-c synchronous_commit=on -c statement_timeout={TIMEOUT_S * 1000} -c lock_timeout={TIMEOUT_S * 1000}"
    engine = create_engine(
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

    @event.listens_for(engine, "do_connect")
    def timed(_dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
        from motet.serve.events.postgresql import TimedConnection

        return TimedConnection.connect(*arguments, **options)

    return engine


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
    return Table(EVENTS_TABLE, MetaData(), *columns, Index("motet_events_of_user", "user_id", "time"))
