"""BPR: positives above other items, one pair at a time."""

from __future__ import annotations

from motet.baselines.extra import imported
from motet.baselines.factors import Factors, check_sizes
from motet.data.log import EventLog
from motet.tasks.rows import Rows


class BPR(Factors):
    r"""Bayesian personalised ranking: a positive is to score above an item drawn at random.

    $$ \min - \sum_{(u, i, j)} \ln \sigma(p_u \cdot q_i - p_u \cdot q_j) + \lambda \lVert \cdot \rVert^2 $$

    Items have a bias among their factors. Fitted by implicit's `BayesianPersonalizedRanking`, on one thread: on several
    the same seed gives other vectors each time. Weights of rows are not read, beyond which are positives.

    Args:
        train: The training log.
        name: The key of its scores and figures.
        where: Which rows are positives: a condition, or `Rows`; all rows where not given.
        dim: Numbers a vector.
        lr: Learning rate.
        regularization: Lambda in the formula.
        iterations: Passes over the positives: as many as validation bears, for it overfits with more.
        seed: Of the first vectors and of the draws.

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
                random_state=seed,
            )
        )
