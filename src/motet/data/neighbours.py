"""Neighbours: the items that share most users with each item."""

from __future__ import annotations

from typing import NamedTuple, Self

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from motet.data.expression import Expression
from motet.data.log import EventLog
from motet.errors import ConfigError

ITEMS = 512  # items compared with all others at once: their users then take 32 MB for 15,000 users


class Neighbours(NamedTuple):
    r"""The items most alike each item, by the cosine of who had them.

    $$ \mathrm{sim}(i, j) = \frac{|U_i \cap U_j|}{\sqrt{|U_i| \, |U_j|} + \lambda} $$

    for the distinct users $U_i$ who had item i. The shrinkage $\lambda$ keeps two items that one user had from being
    the best of neighbours.

    Attributes:
        pairs: `item * items + neighbour`, ascending.
        similarities: Of each pair.
        items: How many item rows there are, the unknown included.

    Source:
        Sarwar et al., "Item-based Collaborative Filtering Recommendation Algorithms", WWW 2001, section 3.1.1.

    Example:
        >>> import polars as pl
        >>> from motet.data.schema import Schema
        >>> events = pl.DataFrame({"user_id": [1, 1, 2, 2, 3], "item_id": ["a", "b", "a", "b", "c"]})
        >>> log = EventLog.read(events, Schema())
        >>> neighbours = Neighbours.of(log, shrinkage=0.0)
        >>> neighbours.similarity(log.items.vocab.encode(["a", "a"]), log.items.vocab.encode(["b", "c"]))
        tensor([1., 0.])
    """

    pairs: Int[Tensor, " pairs"]
    similarities: Float[Tensor, " pairs"]
    items: int

    @classmethod
    def of(cls, log: EventLog, *, where: str | None = None, most: int = 200, shrinkage: float = 10.0) -> Self:
        """Compare every item with every other.

        Args:
            log: The training log.
            where: Which of its rows say that a user had an item, such as `"event == 'view'"`; all where not given.
            most: How many neighbours an item keeps.
            shrinkage: Lambda in the formula; 10 lets some dozens of shared users count nearly in full.

        Returns:
            The neighbours of every item; items that share no user are none, and no item is its own.

        Raises:
            ConfigError: If `most` is below 1, the shrinkage is negative, or the condition cannot be read.
            DataError: If the condition reads a column that is not there, or compares one with what it never is.
        """
        if most < 1:
            raise ConfigError(f"most={most} neighbours; an item keeps at least one")
        if not shrinkage >= 0:
            raise ConfigError(f"shrinkage={shrinkage}; it must be 0 or more")
        batch, users, items = log.batch(), len(log.users), len(log.items)
        known = (batch.users > 0) & (batch.items > 0)
        if where is not None:
            known &= Expression(where)(batch)
        pairs = (batch.items[known] * users + batch.users[known]).unique()
        item, user = pairs // users, pairs % users
        sizes = torch.bincount(item, minlength=items)
        starts = sizes.cumsum(0) - sizes
        keys, values = [], []
        for first in range(0, items, ITEMS):
            block = (item >= first) & (item < first + ITEMS)
            those = torch.zeros(users, min(ITEMS, items - first))
            those[user[block], item[block] - first] = 1.0
            shared = F.embedding_bag(user, those, starts, mode="sum").T
            shared.diagonal(first).zero_()
            alike = shared / ((sizes[first : first + ITEMS, None] * sizes).sqrt() + shrinkage).clamp(min=1e-12)
            best, other = alike.topk(min(most, items))
            line, place = (best > 0).nonzero(as_tuple=True)
            keys.append((first + line) * items + other[line, place])
            values.append(best[line, place])
        key, order = torch.cat(keys).sort()
        return cls(key, torch.cat(values)[order], items)

    def similarity(self, item: Int[Tensor, "*n"], other: Int[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """How alike items are, pair by pair.

        Args:
            item: Item rows.
            other: Item rows to compare them with.

        Returns:
            Cosines; 0 for those that are not among the item's neighbours.
        """
        if not len(self.pairs):
            return torch.zeros(item.shape)
        wanted = item * self.items + other
        place = torch.searchsorted(self.pairs, wanted).clamp(max=len(self.pairs) - 1)
        return self.similarities[place] * (self.pairs[place] == wanted)
