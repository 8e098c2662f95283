"""Neighbours: base of the baselines that find the most similar items of every item."""

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
ITEMS = 1024  # items per block of similarities to all items


class Neighbours(Ranking):
    r"""Scores an item by its similarity to the user's items.

    $$ s_{ui} = \sum_{j \in N_k(i)} x_{uj} \, like_{ij} $$

    where $x_{uj}$ is the weight of the user's positive j, and $N_k(i)$ are the k items most similar to i.

    Args:
        train: The training log.
        name: Key of its scores and metrics.
        where: Which rows are positives.
        neighbours: k, the largest number of similar items that count for an item.

    Raises:
        ConfigError: If `neighbours` is below 1, or scipy is not installed.
    """

    def __init__(self, train: EventLog, *, name: str, where: str | Rows | None, neighbours: int) -> None:
        super().__init__(train, name=name, where=where)
        if neighbours < 1:
            raise ConfigError(f"neighbours={neighbours}; it must be at least 1")
        self.neighbours = neighbours
        self._had = self.positives.matrix(type(self).__name__)

    def block(self, users: Int[Tensor, " n"], items: Int[Tensor, " m"]) -> Float[Tensor, "n m"]:
        """Similarity to the users' items; see `Ranking.block`."""
        votes = self._had[users.numpy()] @ self._like[items.numpy()].T
        return torch.from_numpy(votes.toarray())

    def fit(self, likeness: Callable[[Array, slice], Array]) -> None:
        """Find the neighbours of every item, in blocks of items.

        Args:
            likeness: Function of the dot products `[block, items]` of the columns of a block of items with all columns,
                and of the slice of the block, that returns similarities of the same shape; 0 for items that are not
                similar.
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
    """The k largest values of each row, the first of equal ones, and 0 elsewhere."""
    if k >= like.shape[1]:
        return like
    kept = np.argsort(-like, axis=1, kind="stable")[:, :k]
    found = np.zeros_like(like)
    np.put_along_axis(found, kept, np.take_along_axis(like, kept, 1), 1)
    return found
