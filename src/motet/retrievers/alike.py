"""Alike: the neighbours of the user's items."""

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
    r"""The items most similar to all of the user's items, from the training log and from the request.

    $$ s_{ui} = \sum_{j \in N(u)} \mathrm{sim}(j, i) $$

    for the user's distinct items N(u). This sum orders the candidates; the tasks break ties.

    Args:
        near: The neighbours of every item. They can come from other rows than those of `where`: for items that the user
            bought, neighbours by views are often better.
        where: The rows of the log and the events of a request that make up N(u), such as `"event == 'buy'"`; by default
            all. Events that do not state the column of the condition count.

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
        """Collect the items of each user; see `Retriever.prepare`."""
        if self.near.items != len(log.items):
            raise ConfigError(
                f"the neighbours are of {self.near.items - 1:,} items, but the log has {len(log.items) - 1:,}; "
                "build them from this log: Neighbours.of(log)"
            )
        self.history = chosen(log, self.where)

    def find(self, askers: Askers, most: int) -> Found:
        """The items with the highest sums of each user; see `Retriever.find`."""
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
        """The distinct items of each line, from the log and the request: line numbers and item rows."""
        events = askers.events.where(self._condition)
        return self.history.with_added(askers.rows, events.who, events.items, self.near.items).pairs()

    def _sums(self, who: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Keys `line * items + neighbour`, and the sum of similarities of each key."""
        which, neighbours = self._neighbours.of_users(items)
        place = torch.arange(len(which)) - _first(which) + self._neighbours.starts[items[which]]
        keys, inverse = (who[which] * self.near.items + neighbours).unique(return_inverse=True)
        return keys, torch.zeros(len(keys)).index_add(0, inverse, self.near.similarities[place])


def _first(which: Tensor) -> Tensor:
    """The start of the run of equal numbers that each number of an ascending list belongs to."""
    return torch.searchsorted(which, which)
