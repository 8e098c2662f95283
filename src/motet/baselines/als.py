"""ALS: matrix factorisation of implicit feedback by alternating least squares."""

from __future__ import annotations

from motet.baselines.extra import imported
from motet.baselines.factors import Factors, check_sizes
from motet.data.log import EventLog
from motet.tasks.rows import Rows


class ALS(Factors):
    r"""Implicit ALS: fits positives to 1 and all other pairs to 0, with more confidence in the positives.

    $$ \min \sum_{u,i} c_{ui} (x_{ui} - p_u \cdot q_i)^2 + \lambda (\lVert p \rVert^2 + \lVert q \rVert^2), \quad
       c_{ui} = \alpha w_{ui} \text{ for a positive, else } 1 $$

    Fitted by implicit's `AlternatingLeastSquares`. The result does not depend on the number of threads.

    Args:
        train: The training log.
        name: Key of its scores and metrics.
        where: Which rows are positives: a condition, or `Rows` with weights and a half-life; all rows if not given.
        dim: Size of a vector.
        confidence: Alpha in the formula: weight of a positive relative to a pair that is not one. Denser logs need a
            lower value; the paper's 40 suits sparse logs.
        regularization: Lambda in the formula, the same for all users and items. More positives per user or item need a
            higher value.
        iterations: How often each side is solved for.
        seed: Seed of the initial vectors.

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
                random_state=seed % 2**64,
            )
        )
