"""Neighbours: for each item, the items with the most similar users."""

from __future__ import annotations

from typing import NamedTuple, Self

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from motet.data.expression import Expression
from motet.data.log import EventLog
from motet.errors import ConfigError

VALUES = 1 << 23  # largest matrix of a block of items and all users, or all items: 32 MB


class Neighbours(NamedTuple):
    r"""The nearest neighbours of each item by the cosine similarity of their sets of users.

    $$ \mathrm{sim}(i, j) = \frac{|U_i \cap U_j|}{\sqrt{|U_i| \, |U_j|} + \lambda} $$

    for the distinct users $U_i$ who had item i. The shrinkage $\lambda$ keeps two items with a single shared user from
    being nearest neighbours.

    Attributes:
        pairs: `item * items + neighbour`, ascending.
        similarities: The similarity of each pair.
        items: Number of item rows, including the unknown item.

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
        """Find the neighbours of every item.

        Args:
            log: The training log.
            where: Condition on the rows that count, such as `"event == 'view'"`; all by default.
            most: How many neighbours to keep per item.
            shrinkage: Lambda in the formula; with 10, a few dozen shared users count almost in full.

        Returns:
            The neighbours of every item: other items that share at least one user.

        Raises:
            ConfigError: If `most` is below 1, the shrinkage is negative, or the condition cannot be parsed.
            DataError: If the condition reads a missing column, or compares one with a value that never occurs in it.
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
        size = max(1, VALUES // max(users, items))
        for first in range(0, items, size):
            block = (item >= first) & (item < first + size)
            those = torch.zeros(users, min(size, items - first))
            those[user[block], item[block] - first] = 1.0
            shared = F.embedding_bag(user, those, starts, mode="sum").T
            shared.diagonal(first).zero_()
            alike = shared / ((sizes[first : first + size, None] * sizes).sqrt() + shrinkage).clamp(min=1e-12)
            best, other = alike.topk(min(most, items))
            line, place = (best > 0).nonzero(as_tuple=True)
            keys.append((first + line) * items + other[line, place])
            values.append(best[line, place])
        key, order = torch.cat(keys).sort()
        return cls(key, torch.cat(values)[order], items)

    def similarity(self, item: Int[Tensor, "*n"], other: Int[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """Look up similarities, pair by pair.

        Args:
            item: Item rows.
            other: Item rows to compare them with.

        Returns:
            Similarities; 0 for pairs that are not neighbours.
        """
        if not len(self.pairs):
            return torch.zeros(item.shape)
        wanted = item * self.items + other
        place = torch.searchsorted(self.pairs, wanted).clamp(max=len(self.pairs) - 1)
        return self.similarities[place] * (self.pairs[place] == wanted)
