"""Document: the tables of a project file, before anything is made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

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

    user: Any = "FeatureTower"
    item: Any = "FeatureTower"


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
    split: Any = None
    validation: Any = None
    recent: dict[str, Any] | None = None
    towers: Towers = Field(default_factory=Towers)
    tasks: list[Any] = Field(min_length=1)
    weights: dict[str, float] = Field(default_factory=dict)
    trunk: Any = None
    balancer: Any = None
    preference: Any = None
    training: dict[str, Any] = Field(default_factory=dict)
    recommend: dict[str, Any] = Field(default_factory=dict)
    baselines: list[Any] = Field(default_factory=list)
    compare: dict[str, Any] = Field(default_factory=dict)
    sweep: dict[str, Any] = Field(default_factory=dict)
    tune: dict[str, Any] = Field(default_factory=dict)


RULES = {  # of pydantic, in the words of TOML
    "dict_type": "it must be a table",
    "model_type": "it must be a table",
    "list_type": "it must be a list",
    "string_type": "it must be text",
    "float_type": "it must be a number",
    "too_short": "it must hold at least one",
}
TABLES: dict[tuple[str, ...], type[BaseModel]] = {(): Document, ("data",): Data, ("mix",): Mixed, ("towers",): Towers}


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


def _refuse(error: ErrorDetails, name: str) -> NoReturn:
    """Say what pydantic found, in the words of the file."""
    *table, key = error["loc"]
    owner = TABLES.get(tuple(each for each in table if isinstance(each, str)), Document)
    known = [field.alias or each for each, field in owner.model_fields.items()]
    place = _place(name, table)
    what = "key" if table else "table"
    if error["type"] == "extra_forbidden":
        hint = did_you_mean(key, known)
        raise ConfigError(f"{place}: there is no {what} {key!r}{hint}; {what}s: {', '.join(known)}")
    if error["type"] == "missing":
        raise ConfigError(f"{place} has no {what} {key!r}, and needs one")
    told = RULES.get(error["type"], error["msg"][0].lower() + error["msg"][1:])
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
