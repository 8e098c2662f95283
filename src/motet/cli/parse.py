"""Arguments as ids, weights, values and histories. Imported only when a command runs, because it loads torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from motet.data.entities import Codes, Entities, Numbers
from motet.data.lookup import Ids
from motet.data.schema import MultiValued, Timestamp
from motet.data.sides import read_ids
from motet.data.table import Table
from motet.data.vocab import Vocab
from motet.errors import ConfigError

Value = str | float | int | list[int]


def as_ids(texts: Sequence[str], vocab: Vocab) -> list[str] | list[int]:
    """Ids in the type that the model has.

    Args:
        texts: Ids as typed.
        vocab: Vocabulary of the users or the items.

    Returns:
        Text or whole numbers.

    Raises:
        ConfigError: If the model's ids are whole numbers and a text is not.
    """
    if vocab.is_text:
        return list(texts)
    for text in texts:
        if not text.removeprefix("-").isdecimal():
            raise ConfigError(
                f"{text!r} is not an id in {vocab.name}: the ids of this model are whole numbers such as {vocab.ids[0]}"
            )
    return [int(text) for text in texts]


def check_users(users: Sequence[str] | None, file: Path | None, *, everyone: bool, output: Path | None) -> None:
    """Check that a command names its users in one way, and that lists for many users go to a file.

    Args:
        users: Ids as typed.
        file: A table of users.
        everyone: Whether all users are meant.
        output: The file to write to.

    Raises:
        ConfigError: If not.
    """
    if [bool(users), file is not None, everyone].count(True) != 1:
        raise ConfigError("name the users in one way: ids, --users FILE or --everyone")
    if not users and output is None:
        raise ConfigError("lists for many users are written, not printed: add -o lists.parquet")


def as_users(users: Sequence[str] | None, file: Path | None, vocab: Vocab) -> list[str] | list[int]:
    """The users that a command is about.

    Args:
        users: Ids as typed.
        file: A table with the user column of the log.
        vocab: Vocabulary of the users.

    Returns:
        The ids as typed, else the distinct ids of the file in its order, else all users of the log.

    Raises:
        ConfigError: If the model's ids are whole numbers and a text is not.
        DataError: If the file cannot be read, or has no such column, or an id is missing or of another type.
    """
    if users:
        return as_ids(users, vocab)
    if file is None:
        return vocab.ids.to_list()
    text = [vocab.name] if vocab.is_text else []
    ids = read_ids(Table.open(file, "users", needs=[vocab.name], wanted=[vocab.name], text=text), vocab.name)
    vocab.encode(ids)  # refuses ids of another type
    return ids.unique(maintain_order=True).to_list()


def as_weights(texts: Sequence[str]) -> dict[str, float]:
    """Weights of the tasks.

    Args:
        texts: Each in the form `task=weight`.

    Returns:
        Weights by task.

    Raises:
        ConfigError: If a text has another form, or a task is named twice.
    """
    weights: dict[str, float] = {}
    for text in texts:
        name, _, weight = text.rpartition("=")
        if name in weights:
            raise ConfigError(f"{name} has the weight {weights[name]:g} and again {weight}; give it once")
        try:
            weights[name] = float(weight)
        except ValueError:
            name = ""
        if not name:
            raise ConfigError(f"{text!r} is not the weight of a task; write TASK=WEIGHT, as in rating=.3")
    return weights


def as_values(texts: Sequence[str]) -> dict[str, str]:
    """Values of settings to try.

    Args:
        texts: Each in the form `table.key=values`.

    Returns:
        Values by key, as text.

    Raises:
        ConfigError: If a text has another form, or a setting is named twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        key, sign, values = (part.strip() for part in text.partition("="))
        if not sign or not key:
            raise ConfigError(f"{text!r} does not say what to try; write TABLE.KEY=VALUES, as in training.epochs=5,10")
        if key in found:
            raise ConfigError(
                f"{key} is to be tried twice; write all of its values at once: {key}={found[key]},{values}"
            )
        found[key] = values
    return found


def as_lengths(text: str) -> list[int]:
    """Lengths of lists.

    Args:
        text: Whole numbers, with commas between them.

    Returns:
        The lengths.

    Raises:
        ConfigError: If one is not a whole number of at least 1.
    """
    lengths = [part.strip() for part in text.split(",")]
    for length in lengths:
        if not length.isdecimal() or int(length) < 1:
            raise ConfigError(f"{length!r} is not the length of a list; write whole numbers from 1, as in --ks 10,50")
    return [int(length) for length in lengths]


def as_features(texts: Sequence[str], users: Entities) -> dict[str, Value]:
    """Features of a user.

    Args:
        texts: Each in the form `feature=value`.
        users: Declarations and vocabularies of the features.

    Returns:
        Values by feature; for features that are not declared, the text.

    Raises:
        ConfigError: If a text has another form, or a value does not suit the feature's kind.
    """
    values = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not (name and sign):
            raise ConfigError(f"{text!r} is not the value of a feature; write FEATURE=VALUE, as in age=24")
        values[name] = _value(name, value, users) if name in users.features else value
    return values


def as_histories(texts: Sequence[str], users: Sequence[Any], items: Entities) -> dict[Any, Ids]:
    """Items that one user had.

    Args:
        texts: Item ids; whole numbers may be joined by commas, since only text ids can contain commas.
        users: The users that the command is about.
        items: The model's items.

    Returns:
        Items by user; empty if none were given.

    Raises:
        ConfigError: If there are several users, an id is not of the type that the model has, or a text is no id but
            several joined by commas.
    """
    if not texts:
        return {}
    if len(users) != 1:
        raise ConfigError(f"--history belongs to one user, but there are {len(users)}; ask for one at a time")
    numbers = not items.vocab.is_text
    for text in texts:
        if not numbers and text not in items.vocab and all(part.strip() in items.vocab for part in text.split(",")):
            each = " ".join(f"--history {part.strip()}" for part in text.split(","))
            raise ConfigError(f"{text!r} is no item but several; text ids may contain commas, so write {each}")
    ids = [part for text in texts for part in (text.split(",") if numbers else [text])]
    return {users[0]: as_ids(ids, items.vocab)}


def _value(name: str, text: str, users: Entities) -> Value:
    """A value in the type of the feature's column."""
    column, kind = users.features[name], users.kinds[name]
    if isinstance(column, Numbers):
        try:
            return float(text)
        except ValueError as error:
            if isinstance(kind, Timestamp):
                return text
            raise ConfigError(f"feature {name!r} is a number, but {text!r} is not") from error
    if column.vocab.is_text:
        return text
    parts = text.split(kind.separator) if isinstance(kind, MultiValued) else [text]
    try:
        codes = [int(part) for part in parts]
    except ValueError as error:
        raise ConfigError(
            f"feature {name!r} holds whole numbers such as {column.vocab.ids[0]}, but {text!r} is not one"
        ) from error
    return codes[0] if isinstance(column, Codes) else codes
