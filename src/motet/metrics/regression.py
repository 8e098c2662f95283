"""RMSE and MAE: prediction errors in the unit of the label."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from motet.metrics.additive import RowMean
from motet.metrics.base import PointMetric
from motet.metrics.columns import same_shape


class RMSE(RowMean, PointMetric):
    r"""Root of the mean squared error.

    $$ RMSE = \sqrt{\frac{\sum_i w_i (s_i - y_i)^2}{\sum_i w_i}} $$

    0 is perfect. NaN if there are no rows; with one row, its absolute error.

    Example:
        >>> import torch
        >>> rmse = RMSE()
        >>> rmse.update(torch.tensor([3.0, 5.0]), torch.tensor([3.0, 3.0]))
        >>> round(rmse.compute(), 3)
        1.414
    """

    def update(
        self,
        scores: Float[Tensor, " batch"],
        labels: Float[Tensor, " batch"],
        weights: Float[Tensor, " batch"] | None = None,
    ) -> None:
        """Add rows; see `PointMetric.update`."""
        self.add(self.values(scores, labels), weights)

    def values(self, first: Float[Tensor, " rows"], second: Tensor) -> Float[Tensor, " rows"]:
        """Squared errors; see `RowMean.values`."""
        same_shape("scores", first, "labels", second)
        return (first.double() - second.double()).square()

    def finish(self, totals: Float[Tensor, "*draws sums"]) -> Float[Tensor, "*draws"]:
        """The root of the mean; see `Additive.finish`."""
        return super().finish(totals).sqrt()


class MAE(RowMean, PointMetric):
    r"""Mean absolute error.

    $$ MAE = \frac{\sum_i w_i |s_i - y_i|}{\sum_i w_i} $$

    0 is perfect. NaN if there are no rows; with one row, its absolute error.

    Example:
        >>> import torch
        >>> mae = MAE()
        >>> mae.update(torch.tensor([3.0, 5.0]), torch.tensor([3.0, 3.0]))
        >>> mae.compute()
        1.0
    """

    def update(
        self,
        scores: Float[Tensor, " batch"],
        labels: Float[Tensor, " batch"],
        weights: Float[Tensor, " batch"] | None = None,
    ) -> None:
        """Add rows; see `PointMetric.update`."""
        self.add(self.values(scores, labels), weights)

    def values(self, first: Float[Tensor, " rows"], second: Tensor) -> Float[Tensor, " rows"]:
        """Absolute errors; see `RowMean.values`."""
        same_shape("scores", first, "labels", second)
        return (first.double() - second.double()).abs()
