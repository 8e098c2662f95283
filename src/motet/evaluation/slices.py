"""Slices: groups of test rows by user, by item, or by a column.

| family | slice | contains the test rows |
|---|---|---|
| `users` | `new` | of users without a training row |
| | `rare` | of the quarter of training users with the fewest training rows |
| | `heavy` | of the quarter with the most |
| | `middle` | of the users in between |
| `items` | `new`, `rare`, `middle`, `popular` | the same of items |
| `visited` | `visited` | whose user has a training row of any kind with this item |
| | `unvisited` | whose user has none |
| a column | a value, or a quarter of its numbers | whose event, user or item has it |

Quarters are quarters of the users or items, not of the rows: they mean the same in every data set, there is no
threshold to tune, and every quarter has enough users for an interval. Users at a quartile, where many have equally few
rows, are all rare or all heavy. New users and items are not among the rare ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from motet.data.entities import Bag, Codes, Column, Numbers
from motet.data.history import History
from motet.data.log import EventLog
from motet.data.vocab import Vocab
from motet.errors import ConfigError, did_you_mean

VALUES = 8  # only the most frequent values of a column become slices, so that the table fits
FAMILIES = ("users", "items", "visited")
QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)


def masks(families: Sequence[str], test: EventLog, train: EventLog) -> dict[str, Bool[Tensor, " test"]]:
    """Divide the test rows into slices.

    Args:
        families: `"users"`, `"items"`, `"visited"`, or names of columns: signals and context of the events, declared
            features of users and items.
        test: Held-out rows.
        train: Training rows.

    Returns:
        A mask over the test rows by `family: slice`; empty slices are left out. Slices of a multi-valued column
        overlap. Of a multi-valued or categorical column, the 8 most frequent values in the test become slices.

    Raises:
        ConfigError: If a family is neither one of the three nor a column.

    Example:
        >>> import polars as pl
        >>> from motet.data.schema import Schema
        >>> train = EventLog.read(pl.DataFrame({"user_id": [1, 1, 2], "item_id": [1, 2, 2]}), Schema())
        >>> test = train.encode(pl.DataFrame({"user_id": [1, 3], "item_id": [1, 1]}))
        >>> masks(["visited"], test, train)
        {'visited: visited': tensor([ True, False]), 'visited: unvisited': tensor([False,  True])}
    """
    found: dict[str, Tensor] = {}
    for family in families:
        for name, chosen in _slices(family, test, train):
            key = f"{family}: {name}"
            if chosen.any():
                found[key] = found[key] | chosen if key in found else chosen  # "unknown" may be a value too
    return found


def _slices(family: str, test: EventLog, train: EventLog) -> Iterator[tuple[str, Tensor]]:
    after, before = test.batch(), train.batch()
    if family == "users":
        yield from _activity(before.users, after.users, len(train.users), "heavy")
    elif family == "items":
        yield from _activity(before.items, after.items, len(train.items), "popular")
    elif family == "visited":
        visited = _visited(test, train)
        yield from (("visited", visited), ("unvisited", ~visited))
    else:
        yield from _column(family, test)


def _activity(
    before: Int[Tensor, " train"], after: Int[Tensor, " test"], size: int, most: str
) -> Iterator[tuple[str, Tensor]]:
    """By the number of training rows."""
    counts = torch.bincount(before, minlength=size)
    counts[0] = 0  # the unknown are new, however many they are
    known = counts[counts > 0].double()
    low, high = np.quantile(known.numpy(), (0.25, 0.75)).tolist() if len(known) else (0.0, 0.0)
    own = counts[after]
    rare, heavy = (own > 0) & (own <= low), (own >= high) & (own > low)
    yield from (("new", own == 0), ("rare", rare), ("middle", (own > 0) & ~rare & ~heavy), (most, heavy))


def _visited(test: EventLog, train: EventLog) -> Bool[Tensor, " test"]:
    width = len(train.items)
    history = History.of(train.batch(), len(train.users), width)
    users, items = history.of_users(torch.arange(1, len(train.users)))
    batch = test.batch()
    met = torch.isin(batch.users * width + batch.items, (users + 1) * width + items)
    return met & (batch.users > 0) & (batch.items > 0)


def _column(name: str, test: EventLog) -> Iterator[tuple[str, Tensor]]:
    batch = test.batch()
    if name in test.columns and name not in (test.users.key, test.items.key) and test.columns[name].ndim == 1:
        values = test.columns[name]
        return _values(Codes(values, test.vocabs[name]) if name in test.vocabs else Numbers(values.double()), None)
    for side, rows in ((test.users, batch.users), (test.items, batch.items)):
        if name in side.features:
            return _values(side.features[name], rows)
    raise ConfigError(_unknown(name, test))


def _unknown(name: str, test: EventLog) -> str:
    columns = [column for column in test.columns if column not in (test.users.key, test.items.key)]
    known = [*FAMILIES, *columns, *test.users.features, *test.items.features]
    return f"slice {name!r} is neither a family nor a column{did_you_mean(name, known)} There are: {', '.join(known)}."


def _values(column: Column, rows: Tensor | None) -> Iterator[tuple[str, Tensor]]:
    """Slices by value; `rows` is the entity of each test row, for a column of entities."""
    if isinstance(column, Numbers):
        return _quarters(column.values if rows is None else column.values[rows])
    if isinstance(column, Codes):
        codes = column.rows if rows is None else column.rows[rows]
        return _frequent({code: codes == code for code in _most(torch.bincount(codes))}, column.vocab)
    assert isinstance(column, Bag)
    assert rows is not None
    entity = torch.repeat_interleave(column.offsets.diff())
    own = torch.bincount(rows, minlength=len(column.offsets) - 1)[entity]  # test rows of the entity with each value
    counts = torch.zeros(len(column.vocab), dtype=torch.int64).index_add_(0, column.rows, own)
    return _frequent({code: torch.isin(rows, entity[column.rows == code]) for code in _most(counts)}, column.vocab)


def _most(counts: Int[Tensor, " values"]) -> list[int]:
    """The most frequent values."""
    return [code for code in counts.argsort(descending=True, stable=True).tolist() if counts[code]][:VALUES]


def _frequent(chosen: Mapping[int, Tensor], vocab: Vocab) -> Iterator[tuple[str, Tensor]]:
    for code, mask in chosen.items():
        yield (str(vocab.decode(torch.tensor([code]))[0]) if code else "unknown", mask)


def _quarters(values: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Four ranges with equally many rows; one slice per value if there are at most four."""
    known = values[~values.isnan()].double()
    levels = known.unique()
    if len(levels) <= 4:
        named = zip(_written(levels.tolist()), levels.tolist(), strict=True)
        yield from ((name, values.double() == level) for name, level in named)
    else:
        ends = sorted(set(np.quantile(known.numpy(), QUARTERS).tolist()))
        for number, ((low, high), (first, last)) in enumerate(
            zip(pairwise(ends), pairwise(_written(ends)), strict=True)
        ):
            above = values.double() >= low if number == 0 else values.double() > low
            yield f"{first} to {last}", above & (values.double() <= high)
    yield "unknown", values.isnan()


def _written(numbers: Sequence[float]) -> list[str]:
    """Different numbers as different texts, in six digits unless they need more, as times in seconds do."""
    texts: list[str] = []
    for digits in range(6, 18):
        texts = [f"{number:.{digits}g}" for number in numbers]
        if len(set(texts)) == len(numbers):
            break
    return texts
