"""EASE: predicts every item from the user's other items by ridge regression, in closed form."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.baselines.ranking import Ranking
from motet.data.log import EventLog
from motet.errors import ConfigError
from motet.tasks.rows import Rows


class EASE(Ranking):
    r"""Embarrassingly shallow autoencoder: a linear item-to-item model with a zero diagonal.

    $$ \min_B \lVert X - X B \rVert^2 + \lambda \lVert B \rVert^2, \; diag(B) = 0
       \quad\Rightarrow\quad P = (X^T X + \lambda I)^{-1}, \; B_{ij} = -P_{ij} / P_{jj} $$

    It inverts a matrix of items x items and keeps another: 10,000 items need some 2 GB during the fit and 0.4 GB
    afterwards.

    Args:
        train: The training log.
        name: Key of its scores and metrics.
        where: Which rows are positives: a condition, or `Rows` with weights and a half-life; all rows if not given.
        regularization: Lambda in the formula, comparable to the number of users per item. 100 to 1,000 suit most.

    Raises:
        ConfigError: If the regularization is not above 0, or scipy is not installed.

    Source:
        Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019, eq. 8.

    Example:
        >>> import polars as pl
        >>> from motet.data.schema import Schema
        >>> events = pl.DataFrame({"user_id": [1, 1, 2, 2, 3], "item_id": [*"abbca"]})
        >>> EASE(EventLog.read(events, Schema()), regularization=1).recommend(3, k=1).ids
        array(['b'], dtype=object)
    """

    def __init__(
        self,
        train: EventLog,
        *,
        name: str = "EASE",
        where: str | Rows | None = None,
        regularization: float = 400.0,
    ) -> None:
        if not regularization > 0:
            raise ConfigError(f"regularization={regularization}; it must be above 0")
        super().__init__(train, name=name, where=where)
        self.regularization = regularization
        self._had = self.positives.matrix("EASE")
        gram = (self._had.T @ self._had).toarray().astype(np.float64)
        gram[np.diag_indices_from(gram)] += regularization
        precision = np.linalg.inv(gram)
        # Transposed, so that the weights for a block of items are contiguous in memory.
        self._from = (precision / -np.diag(precision)[:, None]).astype(np.float32)
        np.fill_diagonal(self._from, 0)

    def block(self, users: Int[Tensor, " n"], items: Int[Tensor, " m"]) -> Float[Tensor, "n m"]:
        """Predictions from the users' items; see `Ranking.block`."""
        return torch.from_numpy(self._had[users.numpy()] @ np.ascontiguousarray(self._from[items.numpy()].T))
