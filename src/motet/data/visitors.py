"""Visitors: the users of a request, known to training or not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motet.data.entities import Column


@dataclass(frozen=True)
class Visitors:
    """Users, one line each: what the training log knows of them, and what a request adds.

    Attributes:
        rows: User rows; 0 for users unknown to the log.
        features: Declared features, one row per visitor: those of the request, otherwise those of the log. Also the
            context columns of the request, unknown where it lacks them.
        who: The line of each added item, ascending.
        items: Rows of the items added to histories, oldest first within a line.
        mean_id: The vector that stands for an untrained id; a tower's `mean_id` gives it.
    """

    rows: Int[Tensor, " n"]
    features: Mapping[str, Column] = field(default_factory=dict)
    who: Int[Tensor, " added"] = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))
    items: Int[Tensor, " added"] = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))
    mean_id: Float[Tensor, " dim"] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, lines: Int[Tensor, " m"]) -> Visitors:
        """Select visitors.

        Args:
            lines: Line numbers, ascending and distinct.

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
        """Which visitors have added items.

        Returns:
            One flag per visitor.
        """
        return torch.bincount(self.who, minlength=len(self)) > 0

    def ids(self, embed: Callable[[Tensor], Tensor], device: torch.device) -> Float[Tensor, "n dim"]:
        """Look up the vectors of the visitors' ids.

        Args:
            embed: Looks up vectors by row.
            device: The device of its table.

        Returns:
            One vector per visitor; the mean vector if the id is unknown.
        """
        rows = self.rows.to(device)
        vectors = embed(rows).detach()
        return vectors if self.mean_id is None else vectors.where((rows > 0)[:, None], self.mean_id)
