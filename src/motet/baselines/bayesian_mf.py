"""BayesianMF: a factorisation averaged over draws from its posterior."""

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

WARM_UP = 1 / 3  # the share of draws that are thrown away, before the chain has forgotten where it began


class BayesianMF(RatingBaseline):
    r"""Bayesian matrix factorisation: biases and factors of every draw of a Gibbs sampler, averaged.

    $$ \hat y_{ui} = \frac{1}{S} \sum_s \mu^s + b_u^s + b_i^s + p_u^s \cdot q_i^s $$

    The sampler finds the strength of the regularisation itself, and averaging over draws keeps it from overfitting:
    on ratings alone this is hard to beat. Users and items without a row get the average entity of each draw. The draws
    that are averaged are kept side by side, `dim` numbers each for every user and item. Fitted by myfm.

    Args:
        train: The training log.
        label: The signal to predict.
        name: The key of its scores and figures.
        where: Which of the rows with a label to learn from; all where not given. Rows cannot have weights.
        dim: Numbers a vector.
        iterations: Draws; the first third is thrown away.
        seed: Of the sampler.
        clip: Whether predictions are kept within the labels of training.

    Raises:
        ConfigError: If a size is below 1, rows have weights, or myfm is not installed.
        DataError: If the log has no such signal, or not one value of it.

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
            raise ConfigError("BayesianMF takes all rows alike: its sampler knows no weights; give a condition alone")
        draws = self._draws(dim, iterations, seed)
        self._offset = float(np.mean([draw.w0 for draw in draws]))
        split = len(train.users)
        self._user_bias, self._user_factors = _side(draws, slice(split), self._users)
        self._item_bias, self._item_factors = _side(draws, slice(split, None), self._items)

    def predicted(self, users: Int[Tensor, "*_"], items: Int[Tensor, "*_"]) -> Float[Tensor, "*_"]:
        """The mean over draws; see `RatingBaseline.predicted`."""
        pairs = products(self._user_factors, self._item_factors, users, items)
        return self._offset + self._user_bias[users] + self._item_bias[items] + pairs

    def _draws(self, dim: int, iterations: int, seed: int) -> list[Any]:
        """What myfm's sampler keeps: each an offset `w0`, a bias and a vector of every user, then of every item."""
        sparse, myfm = imported("scipy.sparse", "BayesianMF"), imported("myfm", "BayesianMF")
        sizes = [len(self.users), len(self.items)]
        places = torch.stack([self._users, self._items + sizes[0]], 1).flatten().numpy()
        ends = np.arange(0, len(places) + 1, 2)
        rows = sparse.csr_matrix((np.ones(len(places)), places, ends), shape=(len(ends) - 1, sum(sizes)))
        sampler = myfm.MyFMRegressor(rank=dim, random_seed=seed)
        kept = max(1, round(iterations * (1 - WARM_UP)))
        with redirect_stderr(StringIO()):  # a progress bar that cannot be turned off
            sampler.fit(rows, self._labels.numpy(), n_iter=iterations, n_kept_samples=kept, group_shapes=sizes)
        return list(sampler.predictor_.samples)


def _side(draws: Sequence[Any], rows: slice, known: Tensor) -> tuple[Tensor, Tensor]:
    """The mean bias and the vectors of all draws side by side, whose products are means over draws."""
    absent = np.ones(len(draws[0].w[rows]), dtype=bool)
    absent[known.numpy()] = False
    tables = [np.concatenate([draw.w[rows, None], draw.V[rows]], 1) for draw in draws]
    for table in tables:
        table[absent] = table[~absent].mean(0)
    factors = np.concatenate([table[:, 1:] for table in tables], 1) / len(draws) ** 0.5
    bias = np.mean([table[:, 0] for table in tables], axis=0)
    return torch.from_numpy(bias).float(), torch.from_numpy(factors).float()
