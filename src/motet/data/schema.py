"""Schema: what each column means. Every name is the caller's own column name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from motet.errors import ConfigError, did_you_mean


@dataclass(frozen=True)
class Categorical:
    """One of a set of values, text or whole numbers: a country, an occupation, a shop id."""


@dataclass(frozen=True)
class Numeric:
    """A quantity: an age, a price. A null is an unknown value; NaN and infinity are refused.

    Args:
        buckets: Number of ranges with equally many training values; each range gets a vector. None for a vector that is
            linear in the number, which suits monotonic effects.

    Raises:
        ConfigError: If there are fewer than two buckets.
    """

    buckets: int | None = None

    def __post_init__(self) -> None:
        if self.buckets is not None and self.buckets < 2:
            raise ConfigError(
                f"Numeric(buckets={self.buckets}) distinguishes nothing; use 2 or more, or None for a linear effect"
            )


@dataclass(frozen=True)
class MultiValued:
    """Several values at once, such as genres: a list column, or text joined by a separator.

    Args:
        separator: What separates the values if the column is text; list columns ignore it.

    Raises:
        ConfigError: If the separator is empty.
    """

    separator: str = "|"

    def __post_init__(self) -> None:
        if not self.separator:
            raise ConfigError("MultiValued(separator='') separates nothing; name the text between the values")


@dataclass(frozen=True)
class Text:
    """A bag of words: lower-cased runs of letters and digits.

    Args:
        max_tokens: How many of the most frequent words to keep; rarer ones are dropped. 10,000 covers the titles of a
            catalogue and bounds the size of the embedding table.

    Raises:
        ConfigError: If no word would be kept.
    """

    max_tokens: int = 10_000

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise ConfigError(f"Text(max_tokens={self.max_tokens}) keeps no word; use 1 or more")


@dataclass(frozen=True)
class Timestamp:
    """A time: seconds since 1970 as a number, a date, a date and time, or ISO 8601 text."""


Feature = Categorical | Numeric | MultiValued | Text | Timestamp

KINDS: dict[str, type[Feature]] = {
    "categorical": Categorical,
    "numeric": Numeric,
    "multi_valued": MultiValued,
    "text": Text,
    "timestamp": Timestamp,
}


@dataclass(frozen=True)
class Schema:
    """The columns of an event log, and what each of them means.

    Args:
        user: Column of user ids, text or whole numbers.
        item: Column of item ids, text or whole numbers.
        time: Column of event times; splits by time need it.
        event: Column of event types (view, cart, purchase), if each row is an event of one type; tasks choose their
            rows by it. None if each row is an exposure with one column per signal.
        signals: Columns of feedback: ratings, clicks, purchases. Null means that the event says nothing about a signal.
        user_features: Features of users by column of the user table (or of the log, if constant per user).
        item_features: Features of items by column of the item table (or of the log, if constant per item).
        context_features: Features of events by column of the log; categorical, numeric or timestamp.

    Raises:
        ConfigError: If a column of the log has two roles, a name is not text, or a feature has an unknown kind.

    Example:
        >>> schema = Schema(user="user_id", item="sku", signals=("click",), item_features={"price": Numeric()})
        >>> Schema.from_json(schema.to_json()) == schema
        True
    """

    user: str = "user_id"
    item: str = "item_id"
    time: str | None = None
    event: str | None = None
    signals: Sequence[str] = ()
    user_features: Mapping[str, Feature] = field(default_factory=dict)
    item_features: Mapping[str, Feature] = field(default_factory=dict)
    context_features: Mapping[str, Feature] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.signals, str):
            raise ConfigError(f"signals={self.signals!r} is a string; give a sequence: signals=({self.signals!r},)")
        object.__setattr__(self, "signals", tuple(self.signals))
        for role in ("user_features", "item_features", "context_features"):
            object.__setattr__(self, role, dict(getattr(self, role)))
            for name, kind in getattr(self, role).items():
                _check_kind(role, name, kind)
        for name in self.columns:
            if not isinstance(name, str):
                raise ConfigError(f"column {name!r} is of type {type(name).__name__}; column names are text")
            if self.columns.count(name) > 1:
                raise ConfigError(
                    f"column {name!r} has two roles; ids, time, event, signals and context_features each need a column "
                    "of their own"
                )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that every log of this schema has: ids, time, event type, signals, context."""
        optional = [name for name in (self.time, self.event) if name is not None]
        return (self.user, self.item, *optional, *self.signals, *self.context_features)

    def to_json(self) -> str:
        """Write the schema as JSON.

        Returns:
            JSON that `from_json` reads back.
        """
        document = {name: getattr(self, name) for name in ("user", "item", "time", "event", "signals")}
        for role in ("user_features", "item_features", "context_features"):
            document[role] = {name: _kind_to_dict(kind) for name, kind in getattr(self, role).items()}
        return json.dumps(document, indent=2)

    @classmethod
    def from_json(cls, text: str) -> Schema:
        """Read what `to_json` wrote.

        Args:
            text: JSON.

        Returns:
            The schema.

        Raises:
            ConfigError: If the text is not the JSON of a schema, or has a field or a kind unknown to this version.
        """
        known = [column.name for column in fields(cls)]
        try:
            document = dict(json.loads(text))
            for role in ("user_features", "item_features", "context_features"):
                document[role] = {name: _kind_from_dict(name, value) for name, value in document.get(role, {}).items()}
            for name in document:
                if name not in known:
                    hint = did_you_mean(name, known)
                    raise ConfigError(f"a schema has no field {name!r}{hint} Fields: {', '.join(known)}.")
            return cls(**document)
        except (ValueError, TypeError, AttributeError) as error:
            raise ConfigError(f"not the JSON of a schema: {error}") from error


def _check_kind(role: str, name: str, kind: object) -> None:
    if isinstance(kind, type) and issubclass(kind, Feature):
        raise ConfigError(f"{role}[{name!r}] is the class {kind.__name__}; write {kind.__name__}()")
    if not isinstance(kind, Feature):
        kinds = ", ".join(f"{known.__name__}()" for known in KINDS.values())
        raise ConfigError(f"{role}[{name!r}] is {kind!r}, which is not a kind of feature; use one of {kinds}")
    if role == "context_features" and isinstance(kind, MultiValued | Text):
        raise ConfigError(
            f"context_features[{name!r}] is {type(kind).__name__}; a context feature has one value per event: "
            "Categorical(), Numeric() or Timestamp()"
        )


def _kind_to_dict(kind: Feature) -> dict[str, Any]:
    name = next(name for name, known in KINDS.items() if isinstance(kind, known))
    return {"kind": name, **asdict(kind)}


def _kind_from_dict(column: str, value: dict[str, Any]) -> Feature:
    settings = dict(value)
    name = settings.pop("kind", None)
    if name not in KINDS:
        hint = did_you_mean(name, KINDS)
        raise ConfigError(f"feature {column!r} has the unknown kind {name!r}{hint} Kinds: {', '.join(KINDS)}.")
    known = {setting.name for setting in fields(KINDS[name])}
    for setting in settings:
        if setting not in known:
            raise ConfigError(f"feature {column!r} of kind {name!r} has no setting {setting!r}")
    return KINDS[name](**settings)
