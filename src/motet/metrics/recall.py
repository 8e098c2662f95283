"""Recall: the share of a user's positives that is on the list."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor

from motet.metrics.per_query import PerQuery


class Recall(PerQuery):
    r"""The share of a user's positives that rank among the top k, averaged over users.

    $$ Recall_q@k = \frac{\#\{j : place_{qj} \le k\}}{n_q} $$

    If a user has more than k positives, even a perfect list stays below 1.

    Args:
        k: Length of the list.

    Example:
        >>> import torch
        >>> recall = Recall(10)
        >>> recall.update(torch.tensor([1.0, 11.0, 2.0]), torch.tensor([7, 7, 8]))
        >>> recall.compute()
        0.75
    """

    def __init__(self, k: int) -> None:
        super().__init__(k)

    def best(self, sizes: Int[Tensor, " q"]) -> Float[Tensor, " q"]:
        """The number of positives; see `PerQuery.best`."""
        return sizes.double()
