"""Answers as tables and as JSON. Imported only when a command runs, because it loads torch."""

from __future__ import annotations

import json as to_json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from torch import Tensor

from motet.data.entities import Entities
from motet.index import TopK

UNKNOWN = {
    "popularity": ": not known to the model; based on popularity",
    "features": ": not known to the model; based on the features",
    "history": ": not known to the model; based on the history",
}
LONG = 24  # characters; a longer id takes several lines where the table is narrow
MEAN = {"popularity": ": not known to the model; scored as the mean user"}  # where nothing is recommended


def print_json(value: Any) -> None:
    """Print one JSON document; NaN and infinity become null.

    Args:
        value: Dictionaries, lists, text and numbers.
    """
    print(to_json.dumps(_finite(value), ensure_ascii=False))


def show(top: TopK, asked: Sequence[str] | Sequence[int], side: str, found: Entities, *, json: bool) -> None:
    """Print one answer for each id.

    Args:
        top: The answers.
        asked: Ids that were asked about.
        side: Whether they are of a `"user"` or an `"item"`.
        found: The entities that the answers consist of.
        json: Whether to print JSON instead of tables.
    """
    pairs: list[tuple[str | int, TopK]] = list(zip(asked, top.each(), strict=True))
    if json:
        print_json([record(answer, id, side) for id, answer in pairs])
        return
    for id, answer in pairs:
        title = f"{side} {id}{UNKNOWN.get(str(answer.basis), '')}"
        _print(_table(title, answer.ids.tolist(), answer.columns(), found))


def show_pairs(
    scores: Mapping[str, Tensor],
    user: str | int,
    items: Sequence[str] | Sequence[int],
    found: Entities,
    *,
    basis: str,
    json: bool,
) -> None:
    """Print every task's scores for one user and some items.

    Args:
        scores: Scores by task.
        user: The user's id.
        items: The items' ids.
        found: The item table.
        basis: The basis of the user's vector, as in `TopK`.
        json: Whether to print JSON instead of a table.
    """
    if json:
        tasks = [
            dict(zip(scores, line, strict=True))
            for line in zip(*(part.tolist() for part in scores.values()), strict=True)
        ]
        asked = {"user": user, "known": basis == "known"}
        print_json([{**asked, "item": item, "tasks": line} for item, line in zip(items, tasks, strict=True)])
        return
    _print(_table(f"user {user}{(UNKNOWN | MEAN).get(basis, '')}", items, scores, found))


def record(top: TopK, id: str | int, side: str) -> dict[str, Any]:
    """One answer as JSON.

    Args:
        top: The answer for one id.
        id: The id.
        side: Whether it is of a `"user"` or an `"item"`.

    Returns:
        The id, whether the model knows it, what the answer is based on, and the results, best first.
    """
    tasks = {name: part.tolist() for name, part in top.tasks.items()}
    items = [
        {"id": item, "score": score, "tasks": {name: part[place] for name, part in tasks.items()}}
        for place, (item, score) in enumerate(zip(top.ids.tolist(), top.scores.tolist(), strict=True))
    ]
    return {side: id, "known": bool(top.known), "basis": str(top.basis), "found": items}


def _print(table: Table) -> None:
    Console(markup=False, highlight=False).print(table)  # a title such as "[REC] (2007)" is not markup


def _table(title: str, ids: Sequence[Any], scores: Mapping[str, Tensor], found: Entities) -> Table:
    """A table of ids, some columns that describe them, and scores."""
    table = Table(title=title, title_justify="left")
    told = found.in_words(found.vocab.encode(ids).tolist())
    table.add_column("", justify="right")
    table.add_column(found.key, overflow="fold", no_wrap=all(len(str(id)) <= LONG for id in ids))
    for name in told:
        table.add_column(name)
    for name in scores:
        table.add_column(name, justify="right", overflow="fold")
    for place, id in enumerate(ids):
        description = [words[place] for words in told.values()]
        numbers = [f"{part[place]:.3f}" for part in scores.values()]
        table.add_row(str(place + 1), str(id), *description, *numbers)
    return table


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
