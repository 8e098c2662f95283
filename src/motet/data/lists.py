"""sample_lists: resamples a log into lists of rows of one user, to train a listwise task."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor

from motet.arguments import checked
from motet.data.expression import Expression
from motet.data.log import EventLog
from motet.data.seed import seeded
from motet.errors import ConfigError, DataError


@checked
def sample_lists(
    log: EventLog,
    *,
    lists_per_user: int,
    items_per_list: int,
    where: str | None = None,
    seed: int = 0,
    name: str = "list",
) -> EventLog:
    """Draw lists of rows, without replacement within a list and independently for each list.

    The rows of a list stay together: the log's `together` tells `fit` to shuffle lists, not rows, and never to split a
    list. A column numbers the lists, for `Listwise(by="list")`; without it, lists of one user that meet in a batch
    count as one. Users with fewer rows than a list holds, and unknown users, are left out.

    Args:
        log: The rows to draw from.
        lists_per_user: Number of lists per user.
        items_per_list: Number of rows per list.
        where: Draws only from rows that meet a condition, such as those with a label: `"stars >= 0"`.
        seed: The same seed gives the same lists.
        name: Name of the column that numbers the lists.

    Returns:
        A log with the same users and items, ordered by user and list.

    Raises:
        ConfigError: If `lists_per_user` is below 1, `items_per_list` is below 2, the name is taken, or the condition
            cannot be parsed.
        DataError: If no user has enough rows.

    Source:
        TensorFlow Recommenders, `examples.movielens.sample_listwise`.

    Example:
        >>> import polars as pl
        >>> from motet.data.schema import Schema
        >>> events = pl.DataFrame({"user_id": [7, 7, 7, 9], "item_id": [1, 2, 3, 1], "stars": [5, 1, 4, 3]})
        >>> log = EventLog.read(events, Schema(signals=("stars",)))
        >>> sample_lists(log, lists_per_user=2, items_per_list=2).columns["list"]
        tensor([0, 0, 1, 1])
    """
    if lists_per_user < 1:
        raise ConfigError(f"lists_per_user={lists_per_user}; a user gets at least one list")
    if items_per_list < 2:
        raise ConfigError(f"items_per_list={items_per_list}; a list needs two rows to have an order")
    if name in log.columns:
        raise ConfigError(f"the log already has a column {name!r}; give the list numbers another name")
    if where is not None:
        log = log.take(Expression(where)(log.batch()))
    users = log.batch().users
    by_user = torch.bincount(users, minlength=len(log.users))[1:]
    if not (by_user >= items_per_list).any():
        raise DataError(
            f"no user has {items_per_list} rows, the most are {int(by_user.max())}; ask for shorter lists with "
            "items_per_list="
        )
    generator = seeded(seed)
    draws = [_one_list_each(users, items_per_list, generator) for _ in range(lists_per_user)]
    rows = torch.stack(draws, 1).flatten()  # user by user: [users, lists, rows of a list]
    number = torch.arange(len(rows) // items_per_list).repeat_interleave(items_per_list)
    drawn = log.take(rows)
    return replace(drawn, columns={**drawn.columns, name: number}, together=items_per_list)


def _one_list_each(users: Int[Tensor, " rows"], size: int, generator: torch.Generator) -> Int[Tensor, "lists size"]:
    """Draw one list for every user with enough rows."""
    order = torch.randperm(len(users), generator=generator)
    order = order[users[order].argsort(stable=True)]
    counts = torch.bincount(users)
    starts = (counts.cumsum(0) - counts)[1:][counts[1:] >= size]  # unknown users are not one user
    return order[starts[:, None] + torch.arange(size)]
