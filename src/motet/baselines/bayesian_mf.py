"""BayesianMF: a matrix factorisation averaged over samples of its posterior."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import redirect_stderr
from io import StringIO
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.baselines.extra import imported
from motet.baselines.factors import check_sizes
from motet.baselines.rating import RatingBaseline, products
from motet.data.log import EventLog
from motet.errors import ConfigError
from motet.tasks.rows import Rows

WARM_UP = 1 / 3  # share of samples discarded, which still depend on the initial values


class BayesianMF(RatingBaseline):
    r"""Bayesian matrix factorisation: predictions averaged over the samples of a Gibbs sampler.

    $$ \hat y_{ui} = \frac{1}{S} \sum_s \mu^s + b_u^s + b_i^s + p_u^s \cdot q_i^s $$

    The sampler learns the strength of the regularisation, and averaging over samples prevents overfitting: on ratings
    alone this is hard to beat. Users and items without a row get the mean user or item of each sample. All averaged
    samples are kept, `dim` numbers each for every user and item. Fitted by myfm.

    Args:
        train: The training log.
        label: The signal to predict.
        name: Key of its scores and metrics.
        where: Which of the labelled rows to learn from; all if not given. Weights of rows are not supported.
        dim: Size of a vector.
        iterations: Number of samples; the first third is discarded.
        seed: Seed of the sampler.
        clip: Whether to clip predictions to the range of the training labels.

    Raises:
        ConfigError: If a size is below 1, rows have weights, or myfm is not installed.
        DataError: If the log has no such signal, or no value of it.

    Source:
        Salakhutdinov and Mnih, "Bayesian Probabilistic Matrix Factorization using Markov Chain Monte Carlo", ICML
        2008; as a factorisation machine, Freudenthaler, Schmidt-Thieme and Rendle, "Bayesian Factorization Machines",
        2011.
    """

    def __init__(
        self,
        train: EventLog,
        label: str = "rating",
        *,
        name: str = "Bayesian MF",
        where: str | Rows | None = None,
        dim: int = 10,
        iterations: int = 150,
        seed: int = 0,
        clip: bool = True,
    ) -> None:
        check_sizes(dim=dim, iterations=iterations)
        super().__init__(train, label, name=name, where=where, clip=clip)
        if self.rows.weight is not None or self.rows.half_life_days is not None:
            raise ConfigError(
                "BayesianMF does not support weights or a half-life of rows; give where= a condition alone"
            )
        draws = self._draws(dim, iterations, seed)
        self._offset = float(np.mean([draw.w0 for draw in draws]))
        split = len(train.users)
        self._user_bias, self._user_factors = _side(draws, slice(split), self._users)
        self._item_bias, self._item_factors = _side(draws, slice(split, None), self._items)

    def predicted(self, users: Int[Tensor, "*_"], items: Int[Tensor, "*_"]) -> Float[Tensor, "*_"]:
        """The mean over samples; see `RatingBaseline.predicted`."""
        pairs = products(self._user_factors, self._item_factors, users, items)
        return self._offset + self._user_bias[users] + self._item_bias[items] + pairs

    def _draws(self, dim: int, iterations: int, seed: int) -> list[Any]:
        """The samples of myfm: each an offset `w0`, then bias and vector of every user, then of every item."""
        sparse, myfm = imported("scipy.sparse", "BayesianMF"), imported("myfm", "BayesianMF")
        sizes = [len(self.users), len(self.items)]
        places = torch.stack([self._users, self._items + sizes[0]], 1).flatten().numpy()
        ends = np.arange(0, len(places) + 1, 2)
        rows = sparse.csr_matrix((np.ones(len(places)), places, ends), shape=(len(ends) - 1, sum(sizes)))
        sampler = myfm.MyFMRegressor(rank=dim, random_seed=seed % 2**31)
        kept = max(1, round(iterations * (1 - WARM_UP)))
        with redirect_stderr(StringIO()):  # a progress bar that cannot be turned off
            sampler.fit(rows, self._labels.numpy(), n_iter=iterations, n_kept_samples=kept, group_shapes=sizes)
        return list(sampler.predictor_.samples)


def _side(draws: Sequence[Any], rows: slice, known: Tensor) -> tuple[Tensor, Tensor]:
    """The mean bias, and the scaled vectors of all samples side by side: their products are means over samples."""
    absent = np.ones(len(draws[0].w[rows]), dtype=bool)
    absent[known.numpy()] = False
    tables = [np.concatenate([draw.w[rows, None], draw.V[rows]], 1) for draw in draws]
    for table in tables:
        table[absent] = table[~absent].mean(0)
    factors = np.concatenate([table[:, 1:] for table in tables], 1) / len(draws) ** 0.5
    bias = np.mean([table[:, 0] for table in tables], axis=0)
    return torch.from_numpy(bias).float(), torch.from_numpy(factors).float()
