"""From what was typed to ids, and from answers to tables and JSON. Imported when a command runs, for it is heavy."""

from __future__ import annotations

import json as to_json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table
from torch import Tensor

from motet.data.entities import Entities
from motet.data.vocab import Vocab
from motet.errors import ConfigError
from motet.index import TopK

DESCRIBING = 2  # columns of the item table that stand beside an id: enough for a title and its genres

UNKNOWN = {
    "popularity": ": not known to the model, so what is popular",
    "features": ": not known to the model, so what the features say",
    "history": ": not known to the model, so what the history says",
}


def as_ids(texts: Sequence[str], vocab: Vocab) -> list[str] | list[int]:
    """What was typed, in the type of the known ids.

    Args:
        texts: As typed.
        vocab: Of the users or the items.

    Returns:
        Text, or whole numbers.

    Raises:
        ConfigError: If the ids are numbers and a text is none.
    """
    if vocab.ids.dtype == pl.String:
        return list(texts)
    for text in texts:
        if not text.removeprefix("-").isdecimal():
            raise ConfigError(
                f"{text!r} is no {vocab.name}: the ids of this model are whole numbers such as {vocab.ids[0]}"
            )
    return [int(text) for text in texts]


def as_weights(texts: Sequence[str]) -> dict[str, float]:
    """What each task counts for.

    Args:
        texts: Each as `task=weight`.

    Returns:
        Weights by task.

    Raises:
        ConfigError: If a text has another form.
    """
    weights = {}
    for text in texts:
        name, _, weight = text.rpartition("=")
        try:
            weights[name] = float(weight)
        except ValueError:
            name = ""
        if not name:
            raise ConfigError(f"{text!r} does not say what a task counts for; write TASK=WEIGHT, as in rating=.3")
    return weights


def print_json(value: Any) -> None:
    """Write one JSON document to stdout; a number that is not finite becomes null.

    Args:
        value: Of dictionaries, lists, texts and numbers.
    """
    print(to_json.dumps(_finite(value), ensure_ascii=False))


def show(top: TopK, asked: Sequence[str] | Sequence[int], side: str, found: Entities, *, json: bool) -> None:
    """Print one answer for each id that was asked about.

    Args:
        top: The answers.
        asked: The ids.
        side: What they are: `"user"` or `"item"`.
        found: What the answers hold.
        json: Whether for a machine.
    """
    pairs: list[tuple[str | int, TopK]] = list(zip(asked, top.each(), strict=True))
    if json:
        print_json([record(answer, id, side) for id, answer in pairs])
        return
    for id, answer in pairs:
        title = f"{side} {id}{UNKNOWN.get(str(answer.basis), '')}"
        scores = {"score": answer.scores, **answer.tasks}
        _print(_table(title, answer.ids.tolist(), scores, found))


def show_pairs(
    scores: Mapping[str, Tensor], user: str | int, items: Sequence[str] | Sequence[int], found: Entities, *, json: bool
) -> None:
    """Print what the tasks expect of one user and some items.

    Args:
        scores: By task.
        user: The user's id.
        items: The items' ids.
        found: The items.
        json: Whether for a machine.
    """
    if json:
        tasks = [
            dict(zip(scores, line, strict=True))
            for line in zip(*(part.tolist() for part in scores.values()), strict=True)
        ]
        print_json([{"user": user, "item": item, "tasks": line} for item, line in zip(items, tasks, strict=True)])
        return
    _print(_table(f"user {user}", items, scores, found))


def record(top: TopK, id: str | int, side: str) -> dict[str, Any]:
    """One answer as JSON can hold it.

    Args:
        top: A 1-D answer.
        id: Whom or what it is for.
        side: What that is: `"user"` or `"item"`.

    Returns:
        The id, whether the model knows it, what the answer stands on, and what was found, best first.
    """
    tasks = {name: part.tolist() for name, part in top.tasks.items()}
    items = [
        {"id": item, "score": score, "tasks": {name: part[place] for name, part in tasks.items()}}
        for place, (item, score) in enumerate(zip(top.ids.tolist(), top.scores.tolist(), strict=True))
    ]
    return {side: id, "known": bool(top.known), "basis": str(top.basis), "found": items}


def _print(table: Table) -> None:
    Console(markup=False, highlight=False).print(table)  # a title such as "[REC] (2007)" is no markup


def _table(title: str, ids: Sequence[Any], scores: Mapping[str, Tensor], found: Entities) -> Table:
    """Ids, what their table says of them, and scores."""
    table = Table(title=title, title_justify="left")
    readable = (pl.String, pl.List(pl.String))
    text = [name for name, dtype in found.table.schema.items() if dtype in readable and name != found.key]
    told = found.table.select(text[:DESCRIBING])
    for name in ("", found.key, *told.columns):
        table.add_column(name, justify="right" if name == "" else "left")
    for name in scores:
        table.add_column(name, justify="right")
    rows = found.vocab.encode(ids).tolist()
    for place, (id, row) in enumerate(zip(ids, rows, strict=True)):
        description = [_words(value) for value in told.row(row - 1)] if told.width else []
        numbers = [f"{part[place]:.3f}" for part in scores.values()]
        table.add_row(str(place + 1), str(id), *description, *numbers)
    return table


def _words(value: str | list[str] | None) -> str:
    return value if isinstance(value, str) else ", ".join(value or [])


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
