"""Recall: how much of what a user wants is on the list."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.metrics.per_query import PerQuery


class Recall(PerQuery):
    r"""The share of a user's positives among the k best, averaged over users.

    $$ Recall_q@k = \frac{\#\{j : place_{qj} \le k\}}{n_q} $$

    Where a user has more than k positives, even a perfect list stays below 1.

    Args:
        k: How long the list is.

    Example:
        >>> recall = Recall(10)
        >>> recall.update(torch.tensor([1.0, 11.0, 2.0]), torch.tensor([7, 7, 8]))
        >>> recall.compute()
        0.75
    """

    def __init__(self, k: int) -> None:
        super().__init__(k)

    def gain(self, places: Float[Tensor, " n"], numbers: Float[Tensor, " n"]) -> Float[Tensor, " n"]:  # noqa: ARG002
        """One a hit; see `PerQuery.gain`."""
        return torch.ones_like(places)

    def best(self, sizes: Int[Tensor, " q"]) -> Float[Tensor, " q"]:
        """All positives; see `PerQuery.best`."""
        return sizes.double()
