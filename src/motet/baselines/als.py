"""ALS: implicit feedback factorised by alternating least squares."""

from __future__ import annotations

from motet.baselines.extra import imported
from motet.baselines.factors import Factors, check_sizes
from motet.data.log import EventLog
from motet.tasks.rows import Rows


class ALS(Factors):
    r"""Positives are to score 1 and all other pairs 0, with more confidence in the positives.

    $$ \min \sum_{u,i} c_{ui} (x_{ui} - p_u \cdot q_i)^2 + \lambda (\lVert p \rVert^2 + \lVert q \rVert^2), \quad
       c_{ui} = \alpha w_{ui} \text{ of a positive, else } 1 $$

    Fitted by implicit's `AlternatingLeastSquares`, the same on any number of threads.

    Args:
        train: The training log.
        name: The key of its scores and figures.
        where: Which rows are positives: a condition, or `Rows` with weights and a half-life; all rows where not given.
        dim: Numbers a vector.
        confidence: What a positive of weight 1 counts for beside a pair that did not happen, alpha in the formula. The
            denser the log, the lower: the 40 of the paper suits sparse ones.
        regularization: Lambda in the formula, the same for every row: it grows with how many positives rows have.
        iterations: Times each side is solved for.
        seed: Of the first vectors.

    Raises:
        ConfigError: If a size is below 1, or implicit is not installed.

    Source:
        Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008.
    """

    def __init__(
        self,
        train: EventLog,
        *,
        name: str = "ALS",
        where: str | Rows | None = None,
        dim: int = 32,
        confidence: float = 4.0,
        regularization: float = 30.0,
        iterations: int = 15,
        seed: int = 0,
    ) -> None:
        check_sizes(dim=dim, iterations=iterations)
        super().__init__(train, name=name, where=where)
        self.fit(
            imported("implicit.cpu.als", "ALS").AlternatingLeastSquares(
                factors=dim,
                alpha=confidence,
                regularization=regularization,
                iterations=iterations,
                random_state=seed,
            )
        )
