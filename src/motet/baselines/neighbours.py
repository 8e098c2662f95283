"""Neighbours: for every item the items most like it, by who had both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.baselines.extra import imported
from motet.baselines.ranking import Ranking
from motet.data.log import EventLog
from motet.errors import ConfigError
from motet.tasks.rows import Rows

Array = npt.NDArray[np.float32]
ITEMS = 1024  # items whose likeness to all others is held at once


class Neighbours(Ranking):
    r"""Each user's items vote for the items that are like them.

    $$ s_{ui} = \sum_{j \in N_k(i)} x_{uj} \, like_{ij} $$

    for the weight $x_{uj}$ of the user's positive j and the k items $N_k(i)$ most like i.

    Args:
        train: The training log.
        name: The key of its scores and figures.
        where: Which rows are positives.
        neighbours: How many items vote for an item at most, k.

    Raises:
        ConfigError: If an item would have no neighbour, or scipy is not installed.
    """

    def __init__(self, train: EventLog, *, name: str, where: str | Rows | None, neighbours: int) -> None:
        super().__init__(train, name=name, where=where)
        if neighbours < 1:
            raise ConfigError(f"neighbours={neighbours}; at least 1 item votes for another")
        self.neighbours = neighbours
        self._had = self.positives.matrix(type(self).__name__)

    def block(self, users: Int[Tensor, " n"], items: Int[Tensor, " m"]) -> Float[Tensor, "n m"]:
        """The votes of the users' items; see `Ranking.block`."""
        votes = self._had[users.numpy()] @ self._like[items.numpy()].T
        return torch.from_numpy(votes.toarray())

    def fit(self, likeness: Callable[[Array, slice], Array]) -> None:
        """Find every item's neighbours, a block of items at a time.

        Args:
            likeness: From products `[block, items]` of the columns of a block of items with all columns, and where the
                block stands, to how like they are; 0 where they are not.
        """
        sparse = imported("scipy.sparse", type(self).__name__)
        columns = self._had.T.tocsr()
        parts = []
        for start in range(0, columns.shape[0], ITEMS):
            here = slice(start, min(start + ITEMS, columns.shape[0]))
            like = likeness((columns[here] @ self._had).toarray(), here)
            like[np.arange(len(like)), np.arange(here.start, here.stop)] = 0  # no item is its own neighbour
            parts.append(sparse.csr_matrix(_largest(like, self.neighbours)))
        self._like: Any = sparse.vstack(parts, format="csr")


def _largest(like: Array, k: int) -> Array:
    """The k largest of each line, and 0 elsewhere; among equals the first."""
    if k >= like.shape[1]:
        return like
    kept = np.argsort(-like, axis=1, kind="stable")[:, :k]
    found = np.zeros_like(like)
    np.put_along_axis(found, kept, np.take_along_axis(like, kept, 1), 1)
    return found
