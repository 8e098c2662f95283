"""What every event store owes, whatever the database."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError

from motet.errors import ConfigError, DataError
from motet.serve.bodies import MOST_USERS
from motet.serve.events import database
from motet.serve.events import postgresql as timed
from motet.serve.events import store as module
from motet.serve.events.event import Added, Event, Had
from motet.serve.events.store import EventStore, StoreError
from serve.conftest import empty_postgres


def event(number: int, user: str = "7", **changes: object) -> Event:
    return Event(**{"id": f"e{number}", "user": user, "item": f"i{number}", "time": float(number), **changes})  # type: ignore[arg-type]


def test_an_event_is_stored_once(store: EventStore) -> None:
    assert store.add([event(1), event(2)]) == Added(2, 0)
    assert store.add([event(2, item="another"), event(3), event(3)]) == Added(1, 2)
    assert store.count() == 3
    assert [stored.item for stored in store.of_user("7")] == ["i3", "i2", "i1"]


def test_everything_comes_back_as_it_was_given(store: EventStore) -> None:
    told = Event("é ' \" ; -- % \\", "ユーザー", "💿 'x'; DROP TABLE motet_events", 1.5e9 + 0.25, "watch", -4.5)
    bare = Event("2", "ユーザー", "item", 0.0)
    store.add([told, bare])
    assert store.of_user("ユーザー") == [told, bare]


def test_the_newest_come_first_and_the_last_stored_of_a_moment(store: EventStore) -> None:
    store.add([event(5), event(1, time=5.0), event(9)])
    store.add([event(3, time=5.0)])
    assert [stored.id for stored in store.of_user("7")] == ["e9", "e3", "e1", "e5"]
    assert [stored.id for stored in store.of_user("7", limit=2)] == ["e9", "e3"]
    assert store.had_by(["7"]) == {"7": [Had("i9"), Had("i3"), Had("i1"), Had("i5")]}


def test_users_do_not_see_each_other(store: EventStore) -> None:
    store.add([event(1, "a"), event(2, "b"), event(3, "a", item="i1")])
    assert store.had_by(["b", "a", "nobody"]) == {"b": [Had("i2")], "a": [Had("i1")], "nobody": []}
    assert store.had_by([]) == {}
    assert store.of_user("nobody") == []


@pytest.mark.parametrize("others", [[], ["b", "nobody"]])
def test_of_a_user_with_very_many_events_the_newest_are_read(
    store: EventStore, monkeypatch: pytest.MonkeyPatch, others: list[str]
) -> None:
    monkeypatch.setattr(module, "MOST_HAD", 4)
    store.add([event(1, "b", time=9.0), *(event(number, time=float(number // 2)) for number in range(2, 9))])
    store.add([event(9, item="i8", time=4.0), event(10, item="i8", time=4.0, event="buy")])
    assert store.had_by(["7", *others])["7"] == [Had("i8", "buy"), Had("i8"), Had("i7")]
    assert store.had_by(["b", *others])["b"] == [Had("i1")]


def test_users_with_very_many_events_together_are_too_many_for_one_question(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_TOGETHER", 3)
    store.add([event(1, "a"), event(2, "a"), event(3, "b"), event(4, "c")])
    assert len(store.had_by(["a", "b"])) == 2
    with pytest.raises(DataError, match="these 3 users have more than 3 stored events; ask for fewer users at a time"):
        store.had_by(["a", "b", "c"])


def test_events_of_users_are_read_by_their_index(tmp_path: Path) -> None:
    store = EventStore(str(tmp_path / "events.db"))
    for users in (["7"], ["7", "8"]):
        asked = store._had_by(len(users)).params({f"user_{place}": user for place, user in enumerate(users)})
        query = asked.compile(store._engine, compile_kwargs={"literal_binds": True})
        with store._transaction() as connection:
            plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}")]
        assert sum("SEARCH motet_events USING INDEX motet_events_of_user" in line for line in plan) == len(users), plan
        assert not any(line.startswith("SCAN motet_events") for line in plan), plan
    store.close()


def test_as_many_users_as_a_request_may_name(store: EventStore) -> None:
    users = [f"user {number}" for number in range(MOST_USERS)]
    store.add([event(number, user) for number, user in enumerate(users)])
    assert store.had_by([*users, *users]) == {user: [Had(f"i{number}")] for number, user in enumerate(users)}


def test_more_events_than_one_statement_takes(store: EventStore) -> None:
    events = [event(number) for number in range(2 * module.AT_ONCE + 5)]
    assert store.add(events) == Added(len(events), 0)
    assert store.add(events) == Added(0, len(events))
    assert store.add([]) == Added(0, 0)


@pytest.mark.usefixtures("unchecked_types")
def test_all_or_none(store: EventStore) -> None:
    events = [event(number) for number in range(module.AT_ONCE)]
    broken = Event("last", "7", None, 0.0)  # type: ignore[arg-type]  # the second statement fails
    with pytest.raises(StoreError, match=r"does not answer: .*item_id"):
        store.add([*events, broken])
    assert store.count() == 0
    assert store.add([event(1)]) == Added(1, 0)


def test_another_store_of_the_same_database_sees_the_events(store: EventStore, url: str) -> None:
    store.add([event(1)])
    other = EventStore(url)
    assert other.add([event(1), event(2)]) == Added(1, 1)
    assert store.count() == 2
    other.close()
    assert other.count() == 2  # opens again
    other.close()


def test_threads_that_write_the_same_events_store_them_once(store: EventStore, url: str) -> None:
    stores = [EventStore(url) for _ in range(2)]

    def write(place: int) -> int:
        return sum(stores[place % 2].add([event(number)]).accepted for number in range(20))

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(write, range(4))) == 20
    assert store.count() == 20
    for other in stores:
        other.close()


def test_overlapping_batches_in_another_order_do_not_deadlock() -> None:
    url = empty_postgres()
    store = EventStore(url)
    store.ping()
    row = "INSERT INTO motet_events (id, user_id, item_id, time) VALUES (%s, '7', 'x', 0)"
    with psycopg.connect(url) as other, ThreadPoolExecutor(1) as thread:
        other.execute(row, ["e1"])
        added = thread.submit(store.add, [event(2), event(3), event(1)])
        while not other.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
            assert not added.done()
        other.execute(row, ["e2"])  # a deadlock, if the store had inserted e2 before it waits for e1
        other.commit()
        assert added.result() == Added(1, 2)
    store.close()


def test_a_deadlock_does_not_count_as_a_database_that_is_down(store: EventStore) -> None:
    deadlock = OperationalError("INSERT", {}, psycopg.errors.DeadlockDetected("deadlock detected"))
    with pytest.raises(StoreError, match="does not answer: deadlock detected"), store._transaction():
        raise deadlock
    store.ping()


def test_ping_of_a_database_that_answers(store: EventStore) -> None:
    store.ping()


def test_a_database_that_is_down_is_said_at_once_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = EventStore(str(tmp_path / "missing" / "events.db"))
    for call in (store.ping, store.count, lambda: store.add([event(1)]), lambda: store.had_by(["7"])):
        monkeypatch.setattr(store, "_closed_until", 0.0)
        with pytest.raises(StoreError, match=r"the event store .*events\.db does not answer: unable to open database"):
            call()
    with pytest.raises(StoreError, match="could not be reached a moment ago; it is tried again every 1 s"):
        store.ping()
    (tmp_path / "missing").mkdir()
    monkeypatch.setattr(time, "monotonic", lambda: store._closed_until + 1)
    assert store.add([event(1)]) == Added(1, 0)
    store.close()


def test_a_database_that_refuses_writes_is_still_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "TIMEOUT_S", 0.01)
    store, now = EventStore(str(tmp_path / "events.db")), time.monotonic()
    store.add([event(1)])
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with contextlib.closing(sqlite3.connect(tmp_path / "events.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="database is locked"):
            store.add([event(2)])
        with pytest.raises(StoreError, match="could not be reached a moment ago; it is tried again every 1 s"):
            store.add([event(2)])  # without another wait for the lock
        assert store.had_by(["7"]) == {"7": [Had("i1")]}
        with pytest.raises(StoreError, match="refused to store events a moment ago"):
            store.ping()
    now += 1
    assert store.add([event(2)]) == Added(1, 0)
    store.ping()
    store.close()


def test_a_full_disk_refuses_writes(tmp_path: Path) -> None:
    store = EventStore(str(tmp_path / "events.db"))
    store.add([event(1)])
    with store._transaction() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 5")  # of this connection, which is the only one
    with pytest.raises(StoreError, match="database or disk is full"):
        store.add([event(number, "x" * 1000) for number in range(2, 99)])
    assert store.count() == 1
    store.close()


def test_a_file_that_is_deleted_or_replaced_is_noticed(tmp_path: Path) -> None:
    backup = EventStore(str(tmp_path / "backup.db"))
    backup.add([event(7)])
    backup.close()
    path, store = tmp_path / "events.db", EventStore(str(tmp_path / "events.db"))
    store.add([event(1)])
    for _ in range(2):
        for file in tmp_path.glob("events.db*"):
            file.unlink()
        with pytest.raises(StoreError, match="no such table"):  # of the new file, for a moment
            store.add([event(2)])
        store._closed_until = 0.0
        assert store.add([event(2)]) == Added(1, 0)
        assert path.exists()
    for file in tmp_path.glob("events.db-*"):
        file.unlink()
    (tmp_path / "backup.db").rename(path)
    assert store.had_by(["7"]) == {"7": [Had("i7")]}
    store.close()


def test_tables_that_are_dropped_are_missed_and_made_again(store: EventStore) -> None:
    store.add([event(1)])
    with store._transaction() as connection:
        connection.exec_driver_sql("DROP TABLE motet_events")
    with pytest.raises(StoreError, match="does not answer"):
        store.ping()
    store._closed_until = 0.0
    store.ping()
    assert store.add([event(1)]) == Added(1, 0)


def test_a_postgres_that_no_longer_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timed, "ANSWER_TIMEOUT_S", 0.3)
    store = EventStore(empty_postgres())
    store.add([event(1)])
    said = r"does not answer: the server did not answer within 0\.3 s"
    with pytest.raises(StoreError, match=said), store._transaction() as connection:
        connection.exec_driver_sql("SELECT pg_sleep(2)")
    store._closed_until = 0.0
    assert store.add([event(2)]) == Added(1, 0)
    store.close()


def test_a_postgres_that_is_down_does_not_tell_its_password() -> None:
    store = EventStore("postgresql://me:secret@127.0.0.1:1/shop")
    with pytest.raises(StoreError, match=re.escape("the event store postgresql://me:***@127.0.0.1:1/shop")) as caught:
        store.ping()
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "events.db").write_text("Dear diary, nothing happened today. " * 100)
    with pytest.raises(StoreError, match="file is not a database"):
        EventStore(str(tmp_path / "events.db")).ping()


def test_sqlite_syncs_every_commit(tmp_path: Path) -> None:
    store = EventStore(f"sqlite:///{tmp_path}/events.db")
    with store._transaction() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    store.close()


def test_a_new_sqlite_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    store = EventStore(str(tmp_path / "events.db"))
    store.add([Event("e1", user="7", item="jazz", time=0.0)])
    files = list(tmp_path.iterdir())
    assert len(files) > 1  # the write-ahead log stands beside it
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    store.close()


@pytest.mark.parametrize("there", [False, True])
def test_a_race_for_the_table_is_lost_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    """After another process held a lock, a second look may come too early as well; SQLite itself makes what lacks."""

    def race(engine: object) -> None:
        if there:
            tables.__class__.create_all(tables, engine)  # type: ignore[arg-type]
        raise OperationalError("CREATE TABLE", {}, sqlite3.OperationalError("database is locked"))

    store = EventStore(str(tmp_path / "events.db"))
    tables = store._events.metadata
    monkeypatch.setattr(tables, "create_all", race)
    assert store.add([event(1)]) == Added(1, 0)
    with sqlite3.connect(tmp_path / "events.db") as file:
        assert ("motet_events_of_user",) in file.execute("SELECT name FROM sqlite_master").fetchall()
    store.close()


@pytest.mark.parametrize("url", ["mysql://host/db", "sqlite://", "mssql+pyodbc://x/y", "redis://host"])
def test_another_kind_of_database(url: str) -> None:
    with pytest.raises(ConfigError, match="is not a database motet supports; give the path of a SQLite file"):
        EventStore(url)


@pytest.mark.parametrize("url", [":memory:", "sqlite:///:memory:"])
def test_events_that_would_end_with_the_process(url: str) -> None:
    with pytest.raises(ConfigError, match="the event store :memory: ends with the process; give the path of a SQLite"):
        EventStore(url)


def test_no_password_is_shown_wherever_it_stands() -> None:
    for url in ("postgresql://me:secret@db/shop", "postgresql://me@db/shop?password=secret&sslmode=require"):
        assert re.fullmatch(r"the event store postgresql://me(:\*\*\*)?@db/shop", database.describe(url))


def test_an_address_that_is_none() -> None:
    wrong = "the event store pg://... cannot be read as an address; give the path of a SQLite file, or postgresql://"
    with pytest.raises(ConfigError, match=re.escape(wrong)) as caught:
        EventStore("pg://me:secret@host:port/shop")
    assert "secret" not in str(caught.value)


def test_check_writes_nothing_and_takes_what_can_be_written_to(store: EventStore) -> None:
    store.check()
    assert store.count() == 0
    store.add([event(1)])
    store.check()
    assert store.count() == 1


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing/events.db", "unable to open database file"),
        ("folder", "unable to open database file"),
        ("diary", "file is not a database"),
    ],
)
def test_check_refuses_a_place_that_no_wait_mends(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "diary").write_text("Dear diary, nothing happened today. " * 100)
    fix = "give the path of a SQLite file, or postgresql://user@host/database, one that can be reached and written to"
    with pytest.raises(ConfigError, match=re.escape(f"{tmp_path / name} does not answer: {reason}; {fix}")):
        EventStore(str(tmp_path / name)).check()


def test_check_of_a_file_that_can_only_be_read(tmp_path: Path) -> None:
    EventStore(str(tmp_path / "events.db")).check()
    store = EventStore(f"sqlite:///file:{tmp_path}/events.db?mode=ro&uri=true")  # also root cannot write there
    with pytest.raises(ConfigError, match="readonly database"):
        store.check()
    store.close()


def test_check_of_a_database_that_is_only_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "TIMEOUT_S", 0)
    store = EventStore(str(tmp_path / "events.db"))
    store.check()
    with contextlib.closing(sqlite3.connect(tmp_path / "events.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="database is locked"):
            store.check()
    store.close()


def test_check_of_a_postgres_that_is_down() -> None:
    with pytest.raises(StoreError, match="Connection refused"):
        EventStore("postgresql://me@127.0.0.1:1/shop").check()


def test_check_of_a_postgres_that_lets_nobody_in() -> None:
    url = make_url(empty_postgres())
    nobody, nowhere = url.set(username="nobody"), url.set(database="nowhere")
    for wrong, reason in ((nobody, 'role "nobody" does not exist'), (nowhere, 'database "nowhere" does not exist')):
        with pytest.raises(ConfigError, match=re.escape(reason)):
            EventStore(wrong.render_as_string(hide_password=False)).check()


@pytest.mark.parametrize(
    ("said", "lasting"),
    [
        ("connection failed: FATAL:  password authentication failed for user", True),
        ("failed to resolve host 'db': [Errno -2] Name or service not known", True),
        ('connection is bad: invalid port number: "99999"', True),
        ('invalid connection option "foo"', True),
        ("connection failed: FATAL:  the database system is starting up", False),
        ("connection failed: FATAL:  sorry, too many clients already", False),
        ("connection timeout expired", False),
    ],
)
def test_what_postgres_says_of_itself_and_what_of_the_moment(said: str, lasting: bool) -> None:
    assert database.lasts(psycopg.OperationalError(said)) is lasting
    assert database.lasts(psycopg.errors.InsufficientPrivilege()) is True
    assert database.lasts(psycopg.errors.QueryCanceled()) is False
