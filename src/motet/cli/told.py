"""What was typed of a user, as features and items. Imported when a command runs, for it is heavy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from motet.cli.answers import as_ids
from motet.data.entities import Codes, Entities, Numbers
from motet.data.lookup import Ids
from motet.data.schema import MultiValued, Timestamp
from motet.errors import ConfigError

Value = str | float | int | list[int]


def as_features(texts: Sequence[str], users: Entities) -> dict[str, Value]:
    """Features as they were declared.

    Args:
        texts: Each as `feature=value`.
        users: Their declarations and vocabularies.

    Returns:
        Values by feature; of names that are not declared, the text.

    Raises:
        ConfigError: If a text has another form, or a value is not of the feature's kind.
    """
    values = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not (name and sign):
            raise ConfigError(f"{text!r} does not tell a feature; write FEATURE=VALUE, as in age=24")
        values[name] = _value(name, value, users) if name in users.features else value
    return values


def as_histories(texts: Sequence[str], users: Sequence[Any], items: Entities) -> dict[Any, Ids]:
    """The items that one user had.

    Args:
        texts: Item ids; whole numbers may be joined by commas, while text may hold commas.
        users: Whom the command is about.
        items: The known ones.

    Returns:
        The items by user; nothing where no item was typed.

    Raises:
        ConfigError: If there are several users, or an id is not of the known ids' type.
    """
    if not texts:
        return {}
    if len(users) != 1:
        raise ConfigError(f"--history is what one user had, and {len(users)} are asked for; ask for one at a time")
    numbers = items.vocab.ids.dtype != pl.String
    ids = [part for text in texts for part in (text.split(",") if numbers else [text])]
    return {users[0]: as_ids(ids, items.vocab)}


def _value(name: str, text: str, users: Entities) -> Value:
    """A value as the feature's column holds it."""
    column, kind = users.features[name], users.kinds[name]
    if isinstance(column, Numbers):
        try:
            return float(text)
        except ValueError as error:
            if isinstance(kind, Timestamp):
                return text
            raise ConfigError(f"feature {name!r} is a number, and {text!r} is none") from error
    if column.vocab.ids.dtype == pl.String:
        return text
    parts = text.split(kind.separator) if isinstance(kind, MultiValued) else [text]
    try:
        codes = [int(part) for part in parts]
    except ValueError as error:
        raise ConfigError(
            f"feature {name!r} holds whole numbers such as {column.vocab.ids[0]}, and {text!r} is none"
        ) from error
    return codes[0] if isinstance(column, Codes) else codes
