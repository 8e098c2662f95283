"""RMSE and MAE: how far predictions are from the labels, in the label's unit."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from motet.metrics.base import PointMetric
from motet.metrics.mean import Mean, same_shape


class RMSE(PointMetric):
    r"""Root of the mean squared error.

    $$ RMSE = \sqrt{\frac{\sum_i w_i (s_i - y_i)^2}{\sum_i w_i}} $$

    0 is perfect. NaN where there are no rows; with one row, the size of its error.

    Example:
        >>> import torch
        >>> rmse = RMSE()
        >>> rmse.update(torch.tensor([3.0, 5.0]), torch.tensor([3.0, 3.0]))
        >>> round(rmse.compute(), 3)
        1.414
    """

    def __init__(self) -> None:
        self.mean = Mean()

    def update(
        self,
        scores: Float[Tensor, " batch"],
        labels: Float[Tensor, " batch"],
        weights: Float[Tensor, " batch"] | None = None,
    ) -> None:
        """Add rows; see `PointMetric.update`."""
        same_shape("scores", scores, "labels", labels)
        self.mean.update((scores.double() - labels.double()).square(), weights)

    def merge(self, other: RMSE) -> None:
        """Add what another has seen; see `Metric.merge`."""
        self.mean.merge(other.mean)

    def compute(self) -> float:
        """The error over all rows seen; NaN where there were none."""
        return float(self.mean.compute() ** 0.5)


class MAE(PointMetric):
    r"""Mean absolute error.

    $$ MAE = \frac{\sum_i w_i |s_i - y_i|}{\sum_i w_i} $$

    0 is perfect. NaN where there are no rows; with one row, the size of its error.

    Example:
        >>> import torch
        >>> mae = MAE()
        >>> mae.update(torch.tensor([3.0, 5.0]), torch.tensor([3.0, 3.0]))
        >>> mae.compute()
        1.0
    """

    def __init__(self) -> None:
        self.mean = Mean()

    def update(
        self,
        scores: Float[Tensor, " batch"],
        labels: Float[Tensor, " batch"],
        weights: Float[Tensor, " batch"] | None = None,
    ) -> None:
        """Add rows; see `PointMetric.update`."""
        same_shape("scores", scores, "labels", labels)
        self.mean.update((scores.double() - labels.double()).abs(), weights)

    def merge(self, other: MAE) -> None:
        """Add what another has seen; see `Metric.merge`."""
        self.mean.merge(other.mean)

    def compute(self) -> float:
        """The error over all rows seen; NaN where there were none."""
        return self.mean.compute()
