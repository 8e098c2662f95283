"""EventStore: keeps events in SQLite or PostgreSQL, each exactly once, and on disk before it returns."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    MetaData,
    Select,
    Table,
    bindparam,
    false,
    func,
    insert,
    select,
    text,
    union_all,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.event import listen
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError
from sqlalchemy.schema import CreateIndex, CreateTable

from motet.errors import ConfigError, DataError, MotetError
from motet.serve.events.database import EVENTS_TABLE, KNOWN, connect, describe, lasts, refuses_writes, rolled_back
from motet.serve.events.event import Added, Event, Had

AT_ONCE = 1_000  # rows an INSERT: SQLite takes at most 32,766 parameters in one
MOST_HAD = 10_000  # events of a user that a recommendation reads, so that no user can make it slow
MOST_TOGETHER = 100_000  # events of the users of one request: about a second of work
NUMBERS = text("SELECT nextval(pg_get_serial_sequence(:table, 'number')) FROM generate_series(1, :count)")
REFUSED_S = 60.0  # for which `ping` says that writes are refused, if none has succeeded since
RETRY_S = 1.0  # pause after a database could not be reached, so that requests do not queue up behind it


class StoreError(MotetError):
    """Events cannot be read or written: the database is down, full, locked or refuses."""


class EventStore:
    """Events in a database, idempotent by their id.

    Nothing is opened before the first call. While the database is down, calls fail quickly; they work again as soon as
    it is back. Threads and processes may share a store.

    Args:
        url: Path of a SQLite file, created if missing, or `postgresql://user@host/database`.

    Raises:
        ConfigError: If the url names another kind of database.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     store = EventStore(f"{folder}/events.db")
        ...     print(store.add([Event("e1", user="7", item="jazz", time=0.0)]))
        ...     print(store.add([Event("e1", user="7", item="jazz", time=0.0)]))
        ...     print(store.had_by(["7", "8"]))
        ...     store.close()
        Added(accepted=1, duplicates=0)
        Added(accepted=0, duplicates=1)
        {'7': [Had(item='jazz', event=None, value=None)], '8': []}
    """

    def __init__(self, url: str) -> None:
        self.name = describe(url)
        self._engine, self._events = connect(url)
        self._insert = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        self._had_by = cache(lambda users: _had_by(self._events, users))  # to build it takes longer than to run it
        self._locks_rows = self._engine.dialect.name == "postgresql"  # SQLite lets one transaction write at a time
        self._ready = False
        self._making = threading.Lock()
        self._closed_until = 0.0
        self._refused = -REFUSED_S  # when the database last refused to write, in monotonic seconds
        # A new connection may be to another database: one restored from a backup, or a file that was replaced.
        listen(self._engine, "connect", self._check_tables)

    def add(self, events: Sequence[Event]) -> Added:
        """Store events, all or none of them. When this returns they survive a crash and a power failure.

        Args:
            events: Any number of events.

        Returns:
            How many were new.

        Raises:
            StoreError: If the database is down or refuses; then none of the events is stored.
        """
        accepted = 0
        rows: list[dict[str, Any]] = [
            {
                "id": event.id,
                "user_id": event.user,
                "item_id": event.item,
                "time": event.time,
                "event": event.event,
                "value": event.value,
            }
            for event in events
        ]
        with self._transaction(writing=True) as connection:
            if self._locks_rows and len(rows) > 1:
                rows = _in_lock_order(connection, rows)
            for start in range(0, len(rows), AT_ONCE):
                insert = self._insert(self._events).values(rows[start : start + AT_ONCE])
                stored = insert.on_conflict_do_nothing(index_elements=["id"]).returning(self._events.c.id)
                accepted += len(connection.execute(stored).all())
        return Added(accepted, len(rows) - accepted)

    def of_user(self, user: str, limit: int | None = None) -> list[Event]:
        """The events of a user.

        Args:
            user: The user's id.
            limit: Largest number of events; all if not given.

        Returns:
            Events, newest first; among equal times, the one stored last comes first.

        Raises:
            StoreError: If the database is down or refuses.
        """
        columns = self._events.c
        newest = select(columns.id, columns.user_id, columns.item_id, columns.time, columns.event, columns.value)
        newest = newest.where(columns.user_id == user).order_by(columns.time.desc(), columns.number.desc())
        with self._transaction() as connection:
            return [Event(*row) for row in connection.execute(newest.limit(limit))]

    def had_by(self, users: Sequence[str]) -> dict[str, list[Had]]:
        """The items that users had, with kind and value, from which a model decides what counts as seen.

        Args:
            users: Ids of the users.

        Returns:
            For each user, distinct triples of item, kind and value among the newest `MOST_HAD` events, newest first; an
            empty list if there are none.

        Raises:
            DataError: If that would be more than `MOST_TOGETHER` events in all.
            StoreError: If the database is down or refuses.
        """
        found: dict[str, dict[Had, None]] = {user: {} for user in users}  # dictionaries keep their order
        if found:
            asked = {f"user_{place}": user for place, user in enumerate(found)}
            with self._transaction() as connection:
                rows = connection.execute(self._had_by(len(found)), asked)
                for number, (user, item, event, value, *_) in enumerate(rows):
                    if number == MOST_TOGETHER:
                        raise DataError(
                            f"these {len(found)} users have more than {MOST_TOGETHER:,} stored events; ask for fewer "
                            "users at a time"
                        )
                    found[user][Had(item, event, value)] = None
        return {user: list(had) for user, had in found.items()}

    def count(self) -> int:
        """How many events are stored.

        Returns:
            Their number.

        Raises:
            StoreError: If the database is down or refuses.
        """
        with self._transaction() as connection:
            return int(connection.execute(select(func.count()).select_from(self._events)).scalar_one())

    def ping(self) -> None:
        """Check that the database has the events, and did not refuse those of the last minute.

        Raises:
            StoreError: If it has not, or did.
        """
        with self._transaction() as connection:
            connection.execute(select(self._events.c.number).limit(1))
        if time.monotonic() < self._refused + REFUSED_S:
            raise StoreError(f"{self.name} refused to store events a moment ago")

    def check(self) -> None:
        """Check that events can be written, without writing any.

        Raises:
            ConfigError: If they never can be: the address is wrong, or permissions are missing.
            StoreError: If the database is down or full.
        """
        columns = [column.name for column in self._events.columns]
        nothing = insert(self._events).from_select(columns, select(self._events).where(false()))
        try:
            with self._transaction() as connection:
                connection.execute(nothing)
        except StoreError as error:
            cause = error.__cause__
            if not lasts(getattr(cause, "orig", cause)):
                raise
            raise ConfigError(f"{error}; give {KNOWN}, one that can be reached and written to") from cause

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        self._engine.dispose()

    @contextmanager
    def _transaction(self, *, writing: bool = False) -> Iterator[Connection]:
        if time.monotonic() < max(self._closed_until, self._refused + RETRY_S if writing else 0):
            raise StoreError(f"{self.name} could not be reached a moment ago; it is tried again every {RETRY_S:g} s")
        try:
            self._make()
            with self._engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            self._check_tables()  # the database may have been replaced while it was away
            if writing and refuses_writes(getattr(error, "orig", None)):
                self._refused = time.monotonic()
            elif not isinstance(error, DBAPIError) or _unreachable(error):
                self._closed_until = time.monotonic() + RETRY_S
            raise StoreError(f"{self.name} does not answer: {_reason(error)}") from error
        if writing:
            self._refused = -REFUSED_S

    def _check_tables(self, *_connecting: object) -> None:
        """Have the next call create the table if there is none."""
        self._ready = False

    def _make(self) -> None:
        """Create the table where there is none."""
        if self._ready:
            return
        with self._making:
            if not self._ready:
                make_tables(self._engine, self._events.metadata)
                self._ready = True


def _in_lock_order(connection: Connection, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows sorted by id, numbered in the order given.

    An INSERT locks each id until the transaction ends. If all transactions lock ids in the same order, overlapping
    batches wait for each other and never deadlock. The numbers keep the caller's order among events of equal time.
    """
    numbers = sorted(connection.execute(NUMBERS, {"table": EVENTS_TABLE, "count": len(rows)}).scalars())
    numbered = [{"number": number, **row} for number, row in zip(numbers, rows, strict=True)]
    return sorted(numbered, key=lambda row: str(row["id"]))


def _had_by(events: Table, users: int) -> Select[Any]:
    """Query for the newest events of each of some users: one round trip to the database, each part read by an index."""
    parts = [_newest(events, f"user_{place}") for place in range(users)]
    if users == 1:
        return parts[0]
    whole = union_all(*(select(part.subquery()) for part in parts)).subquery()
    return select(whole).order_by(whole.c.time.desc(), whole.c.number.desc()).limit(MOST_TOGETHER + 1)


def _newest(events: Table, user: str) -> Select[Any]:
    columns = events.c
    told = columns.user_id, columns.item_id, columns.event, columns.value, columns.time, columns.number
    newest = select(*told).where(columns.user_id == bindparam(user))
    return newest.order_by(columns.time.desc(), columns.number.desc()).limit(MOST_HAD)


def make_tables(engine: Engine, tables: MetaData) -> None:
    """Create missing tables, even while another process does the same.

    Args:
        engine: Engine of the database.
        tables: The tables.
    """
    try:
        tables.create_all(engine)
    except (IntegrityError, OperationalError, ProgrammingError):  # another process holds a lock, or made them meanwhile
        with engine.begin() as connection:
            for table in tables.sorted_tables:
                connection.execute(CreateTable(table, if_not_exists=True))
                for index in table.indexes:
                    connection.execute(CreateIndex(index, if_not_exists=True))


def _unreachable(error: DBAPIError) -> bool:
    """Whether the database is down or overloaded, rather than refusing one statement."""
    return error.connection_invalidated or (isinstance(error, OperationalError) and not rolled_back(error.orig))


def _reason(error: Exception) -> str:
    """The driver's message in one line, without the statement and its values, which are personal data."""
    cause = getattr(error, "orig", None) or error
    return " ".join(str(cause).split("\n", 1)[0].split()) or type(cause).__name__
