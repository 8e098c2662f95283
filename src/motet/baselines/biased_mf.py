"""BiasedMF: matrix factorisation with biases, by alternating least squares."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.baselines.factors import check_sizes
from motet.baselines.rating import RatingBaseline, products
from motet.data.log import EventLog
from motet.data.seed import seeded
from motet.errors import ConfigError
from motet.tasks.rows import Rows

PASSES = 20  # how often each side is solved for; by then the error has converged to four digits
BIAS = 5.0  # beta in the formula
ENTITIES, ROWS = 4096, 1 << 14  # entities per block of equations, rows per block of outer products


class BiasedMF(RatingBaseline):
    r"""Biased matrix factorisation.

    $$ \hat y_{ui} = \mu + b_u + b_i + p_u \cdot q_i, \qquad
       \min \sum_r w_r (y_r - \hat y_r)^2 + \lambda \Big( \sum_u \lVert p_u \rVert^2 + \sum_i \lVert q_i \rVert^2 \Big)
       + \beta \Big( \sum_u b_u^2 + \sum_i b_i^2 \Big) $$

    With one side fixed, the other is a ridge regression for each user or item, solved exactly: there is no learning
    rate to tune, and the same seed gives the same model. The regularisation does not grow with the number of rows of a
    user or item, so it matters most where there are few. Biases are regularised as in `UserItemBias`.

    Args:
        train: The training log.
        label: The signal to predict.
        name: Key of its scores and metrics.
        where: Which of the labelled rows to learn from: a condition, or `Rows` with weights; all if not given.
        dim: Size of a vector, without the bias.
        regularization: Lambda in the formula. 16 suits ratings from 1 to 5; labels with a wider range need more.
        seed: Seed of the initial vectors.
        clip: Whether to clip predictions to the range of the training labels.

    Raises:
        ConfigError: If `dim` is below 1, or the regularization is not above 0.
        DataError: If the log has no such signal, or no value of it.

    Source:
        Koren, Bell and Volinsky, "Matrix Factorization Techniques for Recommender Systems", 2009, eq. 5.
    """

    def __init__(
        self,
        train: EventLog,
        label: str = "rating",
        *,
        name: str = "biased MF",
        where: str | Rows | None = None,
        dim: int = 16,
        regularization: float = 16.0,
        seed: int = 0,
        clip: bool = True,
    ) -> None:
        check_sizes(dim=dim)
        if not regularization > 0:
            raise ConfigError(f"regularization={regularization}; it must be above 0")
        super().__init__(train, label, name=name, where=where, clip=clip)
        rest, weights = (self._labels - self.mean).float(), self._weights.float()
        by_user = _Side.of(self._users, self._items, rest, weights, len(train.users))
        by_item = _Side.of(self._items, self._users, rest, weights, len(train.items))
        drawn = torch.randn(len(train.items), dim, generator=seeded(seed))
        item = torch.cat([drawn / (10 * dim**0.5), torch.zeros(len(train.items), 1)], 1)
        user = torch.zeros(len(train.users), dim + 1)
        for _ in range(PASSES):
            user = by_user.solve(item, regularization)
            item = by_item.solve(user, regularization)
        # The last two columns are bias and 1 for users, 1 and bias for items: the product adds both biases.
        self._user = torch.cat([user, torch.ones(len(user), 1)], 1)
        self._item = torch.cat([item[:, :-1], torch.ones(len(item), 1), item[:, -1:]], 1)

    def predicted(self, users: Int[Tensor, "*_"], items: Int[Tensor, "*_"]) -> Float[Tensor, "*_"]:
        """The mean, both biases and the dot product; see `RatingBaseline.predicted`."""
        return self.mean + products(self._user, self._item, users, items)


class _Side(NamedTuple):
    """The rows sorted by the users, or by the items."""

    own: Int[Tensor, " rows"]
    other: Int[Tensor, " rows"]
    labels: Float[Tensor, " rows"]
    weights: Float[Tensor, " rows"]
    ends: Int[Tensor, " entities"]

    @classmethod
    def of(cls, own: Tensor, other: Tensor, labels: Tensor, weights: Tensor, size: int) -> _Side:
        order = own.argsort(stable=True)
        ends = torch.bincount(own, minlength=size).cumsum(0)
        return cls(own[order], other[order], labels[order], weights[order], ends)

    def solve(self, factors: Tensor, regularization: float) -> Tensor:
        """Solve for the vectors of this side, bias last, given those of the other side."""
        blocks = range(0, len(self.ends), ENTITIES)
        return torch.cat([self._block(start, factors, regularization) for start in blocks])

    def _block(self, start: int, factors: Tensor, regularization: float) -> Tensor:
        ends = self.ends[start : start + ENTITIES]
        width = factors.shape[1]
        gram, right = torch.zeros(len(ends), width, width), torch.zeros(len(ends), width)
        first, last = int(self.ends[start - 1]) if start else 0, int(ends[-1])
        for low in range(first, last, ROWS):
            rows = slice(low, min(low + ROWS, last))
            theirs, place = factors[self.other[rows]], self.own[rows] - start
            features = torch.cat([theirs[:, :-1], torch.ones(len(theirs), 1)], 1)
            weighted = features * self.weights[rows, None]
            gram.index_add_(0, place, weighted[:, :, None] * features[:, None, :])
            right.index_add_(0, place, weighted * (self.labels[rows] - theirs[:, -1])[:, None])
        gram.diagonal(dim1=1, dim2=2).add_(torch.tensor([*[regularization] * (width - 1), BIAS]))
        solved: Tensor = torch.linalg.solve(gram, right)
        return solved
