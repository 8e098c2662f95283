"""Document: the tables of a project file, before anything is made of them."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import tomlkit
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from motet.errors import ConfigError, did_you_mean


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Data(_Table):
    """The files, by paths from the folder of the project file.

    Attributes:
        events: One row an event: Parquet (or a folder of it), CSV, TSV, Arrow or Feather.
        users: One row a user, with the user column of the events.
        items: One row an item, with the item column of the events.
    """

    events: str
    users: str | None = None
    items: str | None = None


class Mixed(_Table):
    """A further log, for tasks whose labels lie in a file of their own; see `Mix`.

    Attributes:
        events: As in `data`. Users and items that the events there do not have are unknown.
        columns: Which column is what: the arguments of `Schema`, with ids and time as in the first table. The table is
            called `schema`.
        ratio: How many batches of it there are to one of the events; in proportion to its rows where not given.
    """

    events: str
    columns: dict[str, Any] = Field(default_factory=dict, alias="schema")
    ratio: float | None = Field(default=None, gt=0, allow_inf_nan=False)


class Towers(_Table):
    """What turns users and items into vectors.

    Attributes:
        user: The tower of the users.
        item: The tower of the items.
    """

    user: dict[str, Any] | str = "FeatureTower"
    item: dict[str, Any] | str = "FeatureTower"


class Document(_Table):
    """Everything a project file says.

    Attributes:
        data: Which files.
        columns: Which column is what: the arguments of `Schema`. The table is called `schema`.
        mix: Further logs, whose batches stand between those of the events, one table each.
        split: Which rows are the test: a function of `split` and its arguments. All rows train where there is none.
        validation: Which of the training rows are watched in training: as `split`. None where not given.
        recent: A column of what the user had before each row: the arguments of `recent`, for a `SequenceTower`.
        towers: What turns users and items into vectors; a `FeatureTower` each where not given.
        tasks: The objectives, one table each.
        weights: What each task's loss counts for, by its name; 1 where not given.
        trunk: What the heads of the tasks share. None where not given.
        balancer: What turns several losses into gradients; their weighted sum where not given.
        preference: Trains one model for every weighting: the arguments of `Preference`. For `weights` alone where not
            given.
        training: The arguments of `fit`; its seed also draws the first weights.
        recommend: What users get of the model: the arguments of `Recommender`. What they had is left out, and the first
            task that ranks the catalogue finds candidates, where not given.
        baselines: What the model has to beat in `motet compare`, one table each. Not read in training.
        compare: The arguments of `compare.compare`: what `motet compare` does. Not read in training.
        sweep: The arguments of `compare.sweep`: which settings `motet sweep` tries. Not read in training.
        tune: The arguments of `compare.tune`: how `motet tune` looks for better settings. Not read in training.
    """

    data: Data
    columns: dict[str, Any] = Field(default_factory=dict, alias="schema")
    mix: list[Mixed] = Field(default_factory=list)
    split: dict[str, Any] | str | None = None
    validation: dict[str, Any] | str | None = None
    recent: dict[str, Any] | None = None
    towers: Towers = Field(default_factory=Towers)
    tasks: list[dict[str, Any] | str] = Field(min_length=1)
    weights: dict[str, float] = Field(default_factory=dict)
    trunk: dict[str, Any] | str | None = None
    balancer: dict[str, Any] | str | None = None
    preference: dict[str, Any] | str | None = None
    training: dict[str, Any] = Field(default_factory=dict)
    recommend: dict[str, Any] = Field(default_factory=dict)
    baselines: list[dict[str, Any] | str] = Field(default_factory=list)
    compare: dict[str, Any] = Field(default_factory=dict)
    sweep: dict[str, Any] = Field(default_factory=dict)
    tune: dict[str, Any] = Field(default_factory=dict)


TABLES: dict[tuple[str, ...], type[BaseModel]] = {(): Document, ("data",): Data, ("mix",): Mixed, ("towers",): Towers}


def read_tables(path: Path) -> dict[str, Any]:
    """The tables of a file.

    Args:
        path: A TOML file.

    Returns:
        As TOML gives them.

    Raises:
        ConfigError: If there is no such file, or it is no TOML; the message says where.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"there is no file {path}; write one with: motet init EVENTS -o {path.name}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path.name} is no TOML: {error}") from error


def as_toml(tables: Mapping[str, Any]) -> str:
    """The text of a file that holds some tables.

    Args:
        tables: As TOML gives them; what is None is left out.

    Returns:
        TOML.

    Example:
        >>> print(as_toml({"training": {"epochs": 3, "average": None}}), end="")
        [training]
        epochs = 3
    """
    return tomlkit.dumps(_known(tables))


def parse(tables: Mapping[str, Any], name: str) -> Document:
    """Check the outline of the tables.

    Args:
        tables: As TOML gives them.
        name: Of the file, for messages.

    Returns:
        The document; what is in the tables of towers, tasks and the like is not looked at yet.

    Raises:
        ConfigError: If a table or a key is unknown, missing, or of the wrong type.
    """
    try:
        return Document.model_validate(dict(tables))
    except ValidationError as error:
        # a misspelt key is missing too, under its right name: what is written says more
        _refuse(min(error.errors(), key=lambda each: each["type"] != "extra_forbidden"), name)


def override(tables: Mapping[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """Change single settings.

    Args:
        tables: As TOML gives them; left alone.
        changes: Each as `table.key=value`, the value in TOML (text may stand without its quotes). Tasks count from 1:
            `tasks.1.dropout=.2`.

    Returns:
        The changed tables.

    Raises:
        ConfigError: If a change has another form, or goes into what is no table.
    """
    changed: dict[str, Any] = _copy(tables)
    for change in changes:
        path, found, text = change.partition("=")
        keys = [key.strip() for key in path.split(".")]
        if not found or not all(keys):
            raise ConfigError(f"{change!r} changes no setting; write TABLE.KEY=VALUE, as in training.epochs=3")
        put(changed, ".".join(keys), parsed(text))
    return changed


def with_settings(tables: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The same tables with other settings.

    Args:
        tables: As TOML gives them; left alone.
        values: By `table.key`; tasks count from 1. None takes a setting away.

    Returns:
        The changed tables.

    Raises:
        ConfigError: If a key goes into what is no table.

    Example:
        >>> with_settings({"training": {"epochs": 3}}, {"training.epochs": 5, "weights.rating": 2.0})
        {'training': {'epochs': 5}, 'weights': {'rating': 2.0}}
    """
    changed: dict[str, Any] = _copy(tables)
    for key, value in values.items():
        put(changed, key, value)
    return changed


def put(tables: Any, key: str, value: Any, *, new: Callable[[int], Any] = lambda _: {}) -> None:
    """Put one setting into tables, in place.

    A table that is not there is made; a text that stands for a kind becomes a table with that kind.

    Args:
        tables: Nested tables and lists.
        key: As `table.key`; tasks count from 1.
        value: What to put there; None takes it away.
        new: Makes an empty table, given how many tables it lies in.

    Raises:
        ConfigError: If the key goes into what is no table.
    """
    *path, last = key.split(".")
    table = tables
    for depth, name in enumerate(path):
        table = _into(table, name, f"{key!r} goes into {'.'.join(path[: depth + 1])}", partial(new, depth))
    if not isinstance(table, dict):
        raise ConfigError(f"{key!r} names no key of {'.'.join(path)}; write TABLE.KEY=VALUE")
    if value is None:
        table.pop(last, None)
    else:
        table[last] = value


def _into(table: Any, key: str, told: str, new: Callable[[], Any]) -> Any:
    place: Any = key
    if isinstance(table, list):
        if not key.isdecimal() or not 1 <= int(key) <= len(table):
            raise ConfigError(f"{told}, which is none of {len(table)}; they count from 1")
        place = int(key) - 1
    elif key not in table:
        table[key] = new()
    inside = table[place]
    if isinstance(inside, str) and inside.isidentifier():
        table[place] = new()
        table[place]["kind"] = str(inside)
    elif not isinstance(inside, dict | list):
        raise ConfigError(f"{told}, which is {inside!r} and no table; set the whole of it")
    return table[place]


def parsed(text: str) -> Any:
    """A value as someone types it.

    Args:
        text: TOML; a number may begin with its point, and text stand without its quotes.

    Returns:
        The value.

    Example:
        >>> parsed(".5"), parsed("[64, 32]"), parsed("AdamW")
        (0.5, [64, 32], 'AdamW')
    """
    text = text.strip()
    for written in (text, f"0{text}", text.replace("-.", "-0.")):  # .5 is no TOML, but plain to everyone
        try:
            return tomllib.loads(f"value = {written}")["value"]
        except tomllib.TOMLDecodeError:
            continue
    return text


def _known(value: Any) -> Any:
    """TOML has no null."""
    if isinstance(value, Mapping):
        return {key: _known(each) for key, each in value.items() if each is not None}
    return [_known(each) for each in value] if isinstance(value, list) else value


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(each) for key, each in value.items()}
    return [_copy(each) for each in value] if isinstance(value, list) else value


def _refuse(error: ErrorDetails, name: str) -> NoReturn:
    """Say what pydantic found, in the words of the file."""
    *table, key = error["loc"]
    owner = TABLES.get(tuple(each for each in table if isinstance(each, str)), Document)
    known = [field.alias or each for each, field in owner.model_fields.items()]
    place = _place(name, table)
    what = "key" if table else "table"
    if error["type"] == "extra_forbidden":
        hint = did_you_mean(str(key), known)
        raise ConfigError(f"{place}: there is no {what} {key!r}{hint}; {what}s: {', '.join(known)}")
    if error["type"] == "missing":
        raise ConfigError(f"{place} has no {what} {key!r}, and needs one")
    told = error["msg"][0].lower() + error["msg"][1:]
    raise ConfigError(f"{place}: {key} = {error['input']!r}; {told}")


def _place(name: str, table: Sequence[int | str]) -> str:
    """The file and the table as the file writes it: one of several by its number, from 1."""
    match table:
        case ():
            return name
        case (str(several), int(row), *inner):
            return ", ".join([f"{name} [[{several}]] {row + 1}", *map(str, inner)])
        case _:
            return f"{name} [{'.'.join(map(str, table))}]"
