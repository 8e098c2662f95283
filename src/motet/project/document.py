"""Document: the outline of a project file, checked before any part is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from motet.errors import ConfigError, did_you_mean
from motet.project.part import NOTHING

TOWER = "FeatureTower"  # the default


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Data(_Table):
    """Data files; paths are relative to the folder of the project file.

    Attributes:
        events: One row per event: Parquet, CSV, TSV, Arrow or Feather. A pattern such as `orders-*.csv` stands for
            several files, read as one in the order of their names; a folder, for the Parquet files in it.
        users: One row per user, keyed by the user column of the events.
        items: One row per item, keyed by the item column of the events.
    """

    events: str
    users: str | None = None
    items: str | None = None


class Mixed(_Table):
    """Another log, for tasks whose labels are in a separate file; see `Mix`.

    Attributes:
        events: As in `data`. Users and items that do not occur in `data.events` are unknown.
        columns: The table `schema`: arguments of `Schema`. Ids and time default to those of the first log.
        ratio: Batches of this log per batch of `data.events`; by default in proportion to its rows.
    """

    events: str
    columns: dict[str, Any] = Field(default_factory=dict, alias="schema")
    ratio: float | None = Field(default=None, gt=0, allow_inf_nan=False)


class Made(_Table):
    """Rows made from the training rows, with the arguments of what makes them, besides the ratio of the mix.

    Attributes:
        ratio: Batches of these rows per batch of `data.events`; by default in proportion to their number.
    """

    model_config = ConfigDict(extra="allow")

    ratio: float | None = Field(default=None, gt=0, allow_inf_nan=False)


class Towers(_Table):
    """The towers that turn users and items into vectors.

    Attributes:
        user: The user tower; its kind is `FeatureTower` by default.
        item: The item tower; its kind is `FeatureTower` by default.
    """

    user: Any = TOWER
    item: Any = TOWER

    @field_validator("user", "item")
    @classmethod
    def _of_a_kind(cls, table: Any) -> Any:
        """A table without a kind, such as a sweep over `towers.*.dim` may make, has that of a tower not declared."""
        return {"kind": TOWER, **table} if isinstance(table, dict) else table

    def files(self) -> dict[str, str]:
        """The files with pretrained vectors, by `user` and `item`."""
        tables = {name: table for name, table in self if isinstance(table, dict)}
        return {name: table["vectors"] for name, table in tables.items() if isinstance(table.get("vectors"), str)}


class Document(_Table):
    """Everything a project file says.

    Attributes:
        data: The data files.
        columns: The role of each column: arguments of `Schema`. The table is called `schema`.
        mix: Further logs, one table each; their batches are interleaved with those of the events.
        pairs: Labelled pairs made from the training rows, by masking one purchase of each user: arguments of
            `masked_pairs`, and `ratio` as in `mix`. Their features are those of `recommend.context`. None by default.
        lists: Lists of training rows of one user, for `Listwise(by="list")`: arguments of `sample_lists`, and `ratio`
            as in `mix`. None by default.
        split: The test rows: a function of `split` and its arguments. Without it, all rows are used for training.
        validation: Rows taken from the training rows to evaluate on after each epoch: as `split`. None by default.
        sessions: A column with the number of the user's session, for `Listwise(by=...)` and conditions: arguments of
            `sessions`. None by default.
        recent: A column with the user's events before each row, for a `SequenceTower`: arguments of `recent`.
        towers: The towers that turn users and items into vectors; a `FeatureTower` each by default.
        tasks: The objectives, one table each.
        weights: Weight of each task's loss, by task name; 1 by default.
        trunk: Layers that the heads of the tasks share. None by default.
        balancer: Combines the losses of the tasks into one gradient; their weighted sum by default.
        preference: Train one model for every weighting of the tasks: arguments of `Preference`. By default the model is
            trained for `weights` alone.
        training: Arguments of `fit`; its seed also determines the initial weights.
        recommend: How the model recommends: arguments of `Recommender`. By default, items the user had are left out,
            and the first task that ranks the catalogue finds the candidates.
        baselines: Baselines for `motet compare`, one table each. Not used in training.
        compare: Arguments of `compare.compare`, for `motet compare`. Not used in training.
        sweep: Arguments of `compare.sweep`, for `motet sweep`. Not used in training.
        tune: Arguments of `compare.tune`, for `motet tune`. Not used in training.
    """

    data: Data
    columns: dict[str, Any] = Field(default_factory=dict, alias="schema")
    mix: list[Mixed] = Field(default_factory=list)
    pairs: Made | None = None
    lists: Made | None = None
    split: Any = None
    validation: Any = None
    sessions: dict[str, Any] | None = None
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
TABLES: dict[tuple[str, ...], type[BaseModel]] = {
    **{(): Document, ("data",): Data, ("mix",): Mixed},
    **{("pairs",): Made, ("lists",): Made, ("towers",): Towers},
}


def parse(tables: Mapping[str, Any], name: str) -> Document:
    """Check the outline of a project file.

    Args:
        tables: The parsed TOML; a table that is "none", as after `--set split=none`, counts as missing.
        name: Name of the file, for error messages.

    Returns:
        The document; the contents of the tables of towers, tasks and other parts are not checked yet.

    Raises:
        ConfigError: If a table or a key is unknown or missing, or has the wrong type.
    """
    try:
        return Document.model_validate({key: table for key, table in tables.items() if table != NOTHING})
    except ValidationError as error:
        # A misspelt key is also missing under its right name; the misspelling is the better message.
        _refuse(min(error.errors(), key=lambda each: each["type"] != "extra_forbidden"), name)


def _refuse(error: ErrorDetails, name: str) -> NoReturn:
    """Turn an error of pydantic into one in the terms of the project file."""
    *table, key = error["loc"]
    owner = TABLES.get(tuple(each for each in table if isinstance(each, str)), Document)
    known = [field.alias or each for each, field in owner.model_fields.items()]
    place = _place(name, table)
    what = "key" if table else "table"
    if error["type"] == "extra_forbidden":
        hint = did_you_mean(key, known)
        raise ConfigError(f"{place}: there is no {what} {key!r}{hint} {what.title()}s: {', '.join(known)}.")
    if error["type"] == "missing":
        raise ConfigError(f"{place} has no {what} {key!r}, which is required")
    if error["type"] == "list_type" and isinstance(error["input"], dict):
        raise ConfigError(f"{place}: [{key}] is a single table, and there may be several: write [[{key}]]")
    told = RULES.get(error["type"], error["msg"][0].lower() + error["msg"][1:])
    raise ConfigError(f"{place}: {key} = {error['input']!r}; {told}")


def _place(name: str, table: Sequence[int | str]) -> str:
    """The file and the table as TOML writes it; one of several by its number, from 1."""
    match table:
        case ():
            return name
        case (str(several), int(row), *inner):
            return ", ".join([f"{name} [[{several}]] {row + 1}", *map(str, inner)])
        case _:
            return f"{name} [{'.'.join(map(str, table))}]"
