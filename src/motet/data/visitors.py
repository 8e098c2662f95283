"""Visitors: users as they are at this moment, whether training has seen them or not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motet.data.entities import Column


@dataclass(frozen=True)
class Visitors:
    """Some users, one line each: what the training log knows, and what is added to it for now.

    Attributes:
        rows: User rows; 0 for those whom the log does not know.
        features: Declared features, one line a visitor: as they were told for now, else as in the log.
        who: The line of each added item, ascending.
        items: Rows of the items that were added to histories, the oldest of a visitor first.
        mean_id: Stands for the vector of an id that was not trained; a tower's `mean_id` gives it.
    """

    rows: Int[Tensor, " n"]
    features: Mapping[str, Column] = field(default_factory=dict)
    who: Int[Tensor, " added"] = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))
    items: Int[Tensor, " added"] = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))
    mean_id: Float[Tensor, " dim"] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, lines: Int[Tensor, " m"]) -> Visitors:
        """Some of them.

        Args:
            lines: Which, each at most once and in ascending order.

        Returns:
            The visitors.
        """
        place = torch.full((len(self),), -1)
        place[lines] = torch.arange(len(lines))
        kept = place[self.who] >= 0
        features = {name: column.take(lines) for name, column in self.features.items()}
        who, items = place[self.who[kept]], self.items[kept]
        return replace(self, rows=self.rows[lines], features=features, who=who, items=items)

    def added(self) -> Bool[Tensor, " n"]:
        """Whose histories something was added to.

        Returns:
            One truth a visitor.
        """
        return torch.bincount(self.who, minlength=len(self)) > 0

    def ids(self, embed: Callable[[Tensor], Tensor], device: torch.device) -> Float[Tensor, "n dim"]:
        """The vectors of the visitors' ids.

        Args:
            embed: Looks vectors up by row.
            device: Where it does.

        Returns:
            One vector a visitor; the mean where the id is not known.
        """
        rows = self.rows.to(device)
        vectors = embed(rows).detach()
        return vectors if self.mean_id is None else vectors.where((rows > 0)[:, None], self.mean_id)
