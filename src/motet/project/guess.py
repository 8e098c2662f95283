"""guess: the role of each column of an event log, from names, types and values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import polars as pl

from motet.data.grammar import column_name
from motet.data.schema import Categorical, Feature, Numeric
from motet.data.table import Table
from motet.errors import ConfigError, did_you_mean
from motet.project.days import as_days
from motet.project.profile import Profile, readable

USERS = (
    *("user", "customer", "member", "visitor", "account", "client", "buyer", "person", "reader", "viewer"),
    *("listener", "player", "subscriber", "profile", "u", "session"),
)
ITEMS = (
    *("item", "movie", "film", "product", "sku", "article", "song", "track", "book", "asin", "isbn", "video", "game"),
    *("content", "listing", "recipe", "business", "hotel", "artist", "album", "show", "post", "news", "offer", "i"),
    *("ad", "title"),
)
TIMES = ("timestamp", "time", "ts", "datetime", "date", "eventtime", "createdat", "unixtime", "when", "day")
ENDINGS = {"at", "time", "timestamp", "ts", "date", "datetime", "epoch"}  # played_at, orderTime
UNITS = {"ms", "millis", "milliseconds", "us", "micros", "s", "sec", "seconds", "utc", "gmt"}  # that follow it: ts_ms
LONG_AGO = 1e8  # seconds since 1970: a smaller number, such as a watch_time, is a duration
EVENTS = ("event", "eventtype", "eventname", "action", "behavior", "behaviour", "interaction", "activity", "type")
CODED = ("eventtype", "eventcode", "behaviortype", "behaviourtype", "actiontype", "interactiontype")
SIGNALS = ("rating", "stars", "score", "value", "label", "like", "click", "purchase", "buy", "bought", "cart", "return")
DATE = r"^\s*\d{1,4}[./-]\d{1,2}[./-]\d{1,4}\b"  # 31.03.2024 or 3/31/24
COMMA = r"^\s*-?\d+,\d+\s*$"
NUMBER = r"-?\d+(\.\d+)?"
A_VALUE = 10  # fewest rows per value of a context column, on average: with more values it is an id
DEEDS = {"view", "click", "purchase", "buy", "cart", "like", "impression", "order", "pageview", "addtocart", "play"}
CONTEXT = {
    *("device", "platform", "os", "browser", "app", "channel", "surface", "placement", "layout", "position", "slot"),
    *(
        "hour",
        "weekday",
        "weekend",
        "dow",
        "month",
        "season",
        "country",
        "region",
        "city",
        "language",
        "locale",
        "lang",
    ),
    *(
        "currency",
        "query",
        "referrer",
        "referer",
        "source",
        "medium",
        "campaign",
        "weather",
        "price",
        "discount",
        "promo",
    ),
}


QUANTITIES = {
    *("s", "sec", "secs", "second", "seconds", "ms", "min", "minute", "minutes", "duration", "dwell", "length"),
    *("amount", "spend", "spent", "revenue", "quantity", "qty", "count", "total"),
}


@dataclass
class Guess:
    """The roles of the columns, with reasons.

    Attributes:
        columns: Profiles of the columns of the events.
        roles: Column by role: user, item, time, event.
        signals: Columns of feedback.
        features: For users, items and context, kinds by column.
        why: By column, the reason for its role.
        left: By column, the reason it is not used.
    """

    columns: dict[str, Profile]
    roles: dict[str, str] = field(default_factory=dict)
    signals: list[str] = field(default_factory=list)
    features: dict[str, dict[str, Feature]] = field(default_factory=lambda: {"user": {}, "item": {}, "context": {}})
    why: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)

    @property
    def free(self) -> list[Profile]:
        """The columns that have no role yet."""
        features = {name for kinds in self.features.values() for name in kinds}
        used = {*self.roles.values(), *self.signals, *features, *self.left}
        return [column for name, column in self.columns.items() if name not in used]

    def take(self, role: str, name: str, why: str) -> None:
        """Give a column a role.

        Args:
            role: user, item, time or event.
            name: Name of the column.
            why: The reason.
        """
        self.roles[role] = name
        self.why[name] = f"{why}; {self.columns[name].told()}"


def guess(events: Table, tables: Mapping[str, Table], known: Mapping[str, str]) -> Guess:
    """Guess the roles of the columns of a log.

    Args:
        events: One row per event.
        tables: Tables of users and items, if there are any, by side.
        known: Id columns that the caller named, by side.

    Returns:
        The roles.

    Raises:
        ConfigError: If a named column is missing or named twice, no column looks like the ids of users or of items, or
            all columns are called by numbers.
    """
    if all(re.fullmatch(NUMBER, name) for name in events.columns):
        raise ConfigError(
            f"the columns of {events.name} are called {', '.join(events.columns)}: it seems that the first line holds "
            "values; write a line of names above it, such as user_id,item_id,rating,timestamp"
        )
    found = Guess({name: Profile.of(events, name) for name in events.columns})
    for side, name in known.items():
        if name not in found.columns:
            hint = did_you_mean(name, found.columns)
            raise ConfigError(f"column {name!r} is not in {events.name}{hint} Columns: {', '.join(events.columns)}.")
        if name in found.roles.values():
            raise ConfigError(f"column {name!r} cannot hold the ids of both users and items; name two columns")
        found.take(side, name, "as given")
    _local(found)
    _times(found)
    _ids(found, tables, events.name)
    _events(found)
    for side, table in tables.items():
        _table_features(found, side, table)
    _signals_and_features(found, events, tables)
    return found


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower())


def _ids(found: Guess, tables: Mapping[str, Table], name: str) -> None:
    for side, names in (("user", USERS), ("item", ITEMS)):
        if side in found.roles:
            continue
        for column, why in (*_keys(found, tables.get(side)), *_named(found, names)):
            found.take(side, column, why)
            break
    for side in ("user", "item"):
        if side not in found.roles:
            repeated = [each for each in found.free if _like_ids(each)]
            if not repeated:
                raise ConfigError(
                    f"no column of {name} looks like the ids of {side}s; name it with --{side} COLUMN. "
                    f"Columns: {', '.join(found.columns)}."
                )
            best = max(repeated, key=lambda each: each.distinct)
            found.take(side, best.name, "by its type and its repeated values: please check")


def _keys(found: Guess, table: Table | None) -> Iterator[tuple[str, str]]:
    """Columns that are also in a table, with a distinct value in each of its rows."""
    for name in table.columns if table is not None else ():
        if name in found.columns and table is not None and table.column(name).is_unique().all():
            yield name, f"the key of {table.name}"


def _named(found: Guess, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    free = {_plain(each.name): each for each in reversed(found.free) if each.text or each.dtype.is_integer()}
    for ending in ("id", "no", "key", "code", ""):
        for name in names:
            column = free.get(name + ending)
            if column is not None and (ending or len(name) > 1):
                yield column.name, "by its name"


def _like_ids(column: Profile) -> bool:
    return (column.text or column.dtype.is_integer()) and 1 < column.distinct < column.rows == column.known


def _local(found: Guess) -> None:
    """Leave out dates and numbers as a spreadsheet writes them in some country: as text they are no use."""
    for column in found.free:
        if column.dtype != pl.String or not column.known:
            continue
        if column.sample.str.contains(DATE).all() and not readable(column.sample):
            found.left[column.name] = "dates, but not in ISO 8601: write them like 2024-03-31 or 2024-03-31 14:05"
        elif column.sample.str.contains(COMMA).all():
            found.left[column.name] = "numbers with a decimal comma, it seems: write them like 3.5"


def _times(found: Guess) -> None:
    named = [each for name in TIMES for each in found.free if _plain(each.name) in (name, f"event{name}")]
    called = [each.name for each in named]
    typed = [each for each in found.free if each.dtype in (pl.Date, pl.Datetime)]
    typed.sort(key=lambda each: each.name not in called)  # event_time before signup_date
    ending = [each for each in found.free if _ending(each.name) in ENDINGS]
    for column in (*typed, *named, *(each for each in ending if _since_long_ago(each))):
        if column.known < column.rows:
            found.left[column.name] = "times, but empty in some rows: a log needs the time of every event"
        elif _is_time(column):
            if not readable(column.sample):
                found.left[column.name] = (
                    "times in milliseconds, or not in ISO 8601: a log needs seconds since 1970 or dates"
                )
            else:
                found.take("time", column.name, "by its type" if column in typed else "by its name" + _days(column))
                return


def _ending(name: str) -> str:
    """The last word of a name that is no unit."""
    return next((word for word in reversed(_words(name)) if word not in UNITS), "")


def _since_long_ago(column: Profile) -> bool:
    return not column.dtype.is_numeric() or bool((column.sample >= LONG_AGO).all())


def _days(column: Profile) -> str:
    told = as_days(column.sample.cast(pl.Float64).to_torch()) if column.dtype.is_numeric() else ""
    return f", though its numbers look like days instead of seconds, {told}" if told else ""


def _is_time(column: Profile) -> bool:
    if column.dtype == pl.String:
        return column.sample.str.to_datetime(time_unit="us", time_zone="UTC", strict=False).is_not_null().all()
    return column.dtype in (pl.Date, pl.Datetime) or (column.dtype.is_numeric() and column.finite)


def _events(found: Guess) -> None:
    """The kind of each event: a column of text with few values, whose name or values say so, or of codes."""
    for column in found.free:
        values = {_plain(str(value)) for value in column.values}
        coded = column.dtype.is_integer() and not column.binary and _plain(column.name) in CODED
        fitting = (column.text or coded) and len(values) > 1 and column.known == column.rows and column.sayable
        named = coded or _plain(column.name) in EVENTS
        if fitting and (named or values & DEEDS):
            found.take("event", column.name, "by its name" if named else "by its values")
            return


def _table_features(found: Guess, side: str, table: Table) -> None:
    for name in table.columns:
        if name == found.roles[side]:
            continue
        _feature(found, side, Profile.of(table, name))


def _feature(found: Guess, side: str, column: Profile) -> None:
    kind, why = column.kind()
    if kind is None:
        found.left[column.name] = why
    else:
        found.features[side][column.name] = kind
        found.why[column.name] = why


def _signals_and_features(found: Guess, events: Table, tables: Mapping[str, Table]) -> None:
    for column in found.free:
        if column.constant:
            found.left[column.name] = "the same in every row"
            continue
        feedback = any(_plain(column.name).startswith(signal) for signal in SIGNALS)
        named = feedback and column.number
        side = None if named else _said_of(found, events, column, tables)
        if side is not None:
            _feature(found, side, column)
        elif feedback and column.text:
            found.left[column.name] = "feedback by its name, but text: write numbers, such as 1 for yes and 0 for no"
        elif not named and _like_context(column):
            _feature(found, "context", column)
            found.why[column.name] += f"; {column.told()}. Check that it is known before the event"
        elif "/" in column.name or column.name == "served":
            found.left[column.name] = "no task can have this name, which would be that of its label: rename the column"
        elif named or (column.number and column.values):
            found.signals.append(column.name)
            found.why[column.name] = f"{'by its name' if named else 'few numbers'}; {column.told()}"
        else:
            found.left[column.name] = f"{column.told()}: {_use(column)}"


def _use(column: Profile) -> str:
    """What to do with a column that is neither feedback nor a feature; with a quantity, such as a dwell time."""
    measured = column.dtype.is_float() or not QUANTITIES.isdisjoint(_words(column.name))
    if not (column.number and column.sayable and measured):
        return "not a signal, and not constant for each user or item"
    return (
        "a quantity. To learn from it, add it to signals; then the positives of a task may be "
        f"'{column_name(column.name)} >= {_middle(column.sample)}', or a Rating predicts it, if it has a long tail as "
        "a column of its logarithm"
    )


def _middle(quantities: pl.Series) -> str:
    """The median in as few digits as still divide the quantities."""
    values = quantities.cast(pl.Float64)
    median = float(values.median())  # type: ignore[arg-type]
    rounded = (float(f"{median:.{digits}g}") for digits in range(2, 17))
    parting = (each for each in rounded if 0.25 <= (values >= each).sum() / len(values) <= 0.75)
    return f"{next(parting, median):.15g}"


def _like_context(column: Profile) -> bool:
    """Whether a column could be the context of the events: by its name, or because it is text with few values."""
    words = _words(column.name)
    kind, _ = column.kind()
    if isinstance(kind, Categorical):
        return column.distinct * A_VALUE <= column.rows and (column.text or not CONTEXT.isdisjoint(words))
    return isinstance(kind, Numeric) and not CONTEXT.isdisjoint(words)


def _said_of(found: Guess, events: Table, column: Profile, tables: Mapping[str, Table]) -> str | None:
    """The side that a column describes: its value is constant for each id, although ids repeat."""
    for side in ("item", "user"):
        key = found.columns[found.roles[side]]
        if side in tables or key.rows < 2 * key.distinct:
            continue
        if column.dtype.is_nested():
            pairs = events.frame.group_by(key.name).agg(pl.col(column.name).n_unique().alias("n"))
            held = pairs.collect()["n"].max() == 1
        else:
            held = events.frame.select(pl.struct(key.name, column.name).n_unique()).collect().item() == key.distinct
        if held:
            return side
    return None
