"""BPR: matrix factorisation trained to score positives above other items."""

from __future__ import annotations

from motet.baselines.extra import imported
from motet.baselines.factors import Factors, check_sizes
from motet.data.log import EventLog
from motet.tasks.rows import Rows


class BPR(Factors):
    r"""Bayesian personalised ranking: each positive should score above a randomly drawn item.

    $$ \min - \sum_{(u, i, j)} \ln \sigma(p_u \cdot q_i - p_u \cdot q_j) + \lambda \lVert \cdot \rVert^2 $$

    Items also have a bias. Fitted by implicit's `BayesianPersonalizedRanking` on one thread, because with several the
    same seed gives different results. Rows with a weight above 0 are positives; otherwise weights are ignored.

    Args:
        train: The training log.
        name: Key of its scores and metrics.
        where: Which rows are positives: a condition, or `Rows`; all rows if not given.
        dim: Size of a vector.
        lr: Learning rate.
        regularization: Lambda in the formula.
        iterations: Passes over the positives. Too many overfit; choose the number on validation rows.
        seed: Seed of the initial vectors and of the drawn items.

    Raises:
        ConfigError: If a size is below 1, or implicit is not installed.

    Source:
        Rendle et al., "BPR: Bayesian Personalized Ranking from Implicit Feedback", UAI 2009.
    """

    def __init__(
        self,
        train: EventLog,
        *,
        name: str = "BPR",
        where: str | Rows | None = None,
        dim: int = 32,
        lr: float = 0.01,
        regularization: float = 0.01,
        iterations: int = 50,
        seed: int = 0,
    ) -> None:
        check_sizes(dim=dim, iterations=iterations)
        super().__init__(train, name=name, where=where)
        self.fit(
            imported("implicit.cpu.bpr", "BPR").BayesianPersonalizedRanking(
                factors=dim,
                learning_rate=lr,
                regularization=regularization,
                iterations=iterations,
                num_threads=1,
                random_state=seed % 2**64,
            )
        )
