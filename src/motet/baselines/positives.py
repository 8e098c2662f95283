"""Positives: the pairs of user and item that a baseline learns from."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.baselines.extra import imported
from motet.data.batch import Batch


class Positives(NamedTuple):
    """Distinct pairs of known users and items, sorted by user, then by item; `shape` includes the unknown rows."""

    users: Int[Tensor, " pairs"]
    items: Int[Tensor, " pairs"]
    weights: Float[Tensor, " pairs"]
    shape: tuple[int, int]

    @classmethod
    def of(cls, batch: Batch, weights: Float[Tensor, " rows"], shape: tuple[int, int]) -> Self:
        """Collect the pairs of rows with a positive weight.

        Args:
            batch: The rows.
            weights: Weight of each row; a row with weight 0 or below is not a positive.
            shape: Number of user rows and of item rows, including the unknown ones.

        Returns:
            Each pair once, with the largest of its weights.

        Example:
            >>> batch = Batch({"user_id": torch.tensor([2, 1, 2]), "item_id": torch.tensor([1, 3, 1])})
            >>> Positives.of(batch, torch.tensor([0.5, 1.0, 0.9]), (3, 4)).weights
            tensor([1.0000, 0.9000])
        """
        counted = (weights > 0) & (batch.users > 0) & (batch.items > 0)
        keys = batch.users[counted] * shape[1] + batch.items[counted]
        pairs, place = keys.unique(return_inverse=True)
        largest = torch.zeros(len(pairs)).scatter_reduce_(0, place, weights[counted].float(), "amax")
        return cls(pairs // shape[1], pairs % shape[1], largest, shape)

    def matrix(self, needed_by: str) -> Any:
        """The pairs as a sparse matrix.

        Args:
            needed_by: The baseline that needs it, for the error message if scipy is not installed.

        Returns:
            A scipy CSR matrix of float32, users x items.
        """
        sparse = imported("scipy.sparse", needed_by)
        places = (self.users.numpy(), self.items.numpy())
        return sparse.csr_matrix((self.weights.numpy(), places), shape=self.shape)
