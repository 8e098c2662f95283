"""Alike: the neighbours of what the user had."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from motet.data.expression import Expression
from motet.data.history import History
from motet.data.log import EventLog
from motet.data.neighbours import Neighbours
from motet.errors import ConfigError
from motet.retrievers.base import Found, Retriever
from motet.retrievers.chosen import chosen
from motet.scorer import Askers


class Alike(Retriever):
    r"""The items nearest to all that the user had, in the training log and as a question tells.

    $$ s_{ui} = \sum_{j \in N(u)} \mathrm{sim}(j, i) $$

    for the distinct items N(u). They are ordered by this sum; the tasks decide between equal ones.

    Args:
        near: The neighbours of every item. They need not be of the rows that `where` chooses: neighbours by views of
            what the user bought are often the better ones.
        where: Which rows of the log, and of what a question tells, make N(u), such as `"event == 'buy'"`; all where not
            given. An event that does not say what the condition reads is one of them.

    Source:
        Sarwar et al., "Item-based Collaborative Filtering Recommendation Algorithms", WWW 2001, section 3.2.1.
    """

    history: History

    def __init__(self, near: Neighbours, where: str | None = None) -> None:
        super().__init__()
        self.near = near
        self.where = where
        self._condition = None if where is None else Expression(where)
        sizes = torch.bincount(near.pairs // near.items, minlength=near.items)
        self._neighbours = History(torch.cat([sizes.new_zeros(1), sizes.cumsum(0)]), near.pairs % near.items)

    def prepare(self, log: EventLog) -> None:
        """Collect who had what; see `Retriever.prepare`."""
        if self.near.items != len(log.items):
            raise ConfigError(
                f"the neighbours are those of {self.near.items - 1:,} items, and the log has {len(log.items) - 1:,}; "
                "make them of this log: Neighbours.of(log)"
            )
        self.history = chosen(log, self.where)

    def find(self, askers: Askers, most: int) -> Found:
        """The best sums of each user; see `Retriever.find`."""
        keys, sums = self._sums(*self._had(askers))
        order = torch.argsort(sums, descending=True, stable=True)
        order = order[torch.argsort(keys[order] // self.near.items, stable=True)]
        who, items = keys[order] // self.near.items, keys[order] % self.near.items
        starts = torch.searchsorted(who, torch.arange(len(askers)))
        kept = torch.arange(len(who)) - starts[who] < most
        return Found.of(who[kept], items[kept], len(askers), sums[order][kept])

    def config(self) -> dict[str, Any]:
        """The constructor's arguments by name."""
        return {"near": self.near, "where": self.where}

    def _had(self, askers: Askers) -> tuple[Tensor, Tensor]:
        """The line of each distinct item, and the item: of the log and as told."""
        told = askers.told.where(self._condition)
        return self.history.with_added(askers.rows, told.who, told.items, self.near.items).pairs()

    def _sums(self, who: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Keys `line * items + neighbour`, and the sum of the similarities of each."""
        which, neighbours = self._neighbours.of_users(items)
        place = torch.arange(len(which)) - _first(which) + self._neighbours.starts[items[which]]
        keys, inverse = (who[which] * self.near.items + neighbours).unique(return_inverse=True)
        return keys, torch.zeros(len(keys)).index_add(0, inverse, self.near.similarities[place])


def _first(which: Tensor) -> Tensor:
    """Where the run of equal numbers begins that each stands in; they ascend."""
    return torch.searchsorted(which, which)
