"""Log loss: minus the log-likelihood of the labels under the predicted probabilities."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from motet.metrics.additive import RowMean
from motet.metrics.base import PointMetric
from motet.metrics.columns import same_shape
from motet.metrics.probability import check_probabilities


class LogLoss(RowMean, PointMetric):
    r"""Mean negative log-likelihood of the labels.

    $$ - \frac{\sum_i w_i \, [\, y_i \log p_i + (1 - y_i) \log (1 - p_i) \,]}{\sum_i w_i} $$

    0 is perfect; predicting one half gives log 2 = 0.693. Probabilities are clipped away from 0 and 1 by the machine
    epsilon of their type (1e-7 in single precision), so a row costs at most 16. NaN if there are no rows.

    Example:
        >>> loss = LogLoss()
        >>> loss.update(torch.tensor([0.5, 0.25]), torch.tensor([1.0, 0.0]))
        >>> round(loss.compute(), 4)
        0.4904
    """

    def update(
        self,
        scores: Float[Tensor, " batch"],
        labels: Float[Tensor, " batch"],
        weights: Float[Tensor, " batch"] | None = None,
    ) -> None:
        """Add rows; the scores are probabilities. See `PointMetric.update`."""
        check_probabilities("probability", scores, weights)
        check_probabilities("label", labels, weights)
        self.add(self.values(scores, labels), weights)

    def values(self, first: Float[Tensor, " rows"], second: Tensor) -> Float[Tensor, " rows"]:
        """Negative log-likelihoods; see `RowMean.values`."""
        same_shape("scores", first, "labels", second)
        rounding = torch.finfo(first.dtype).eps
        probs, happened = first.double().clamp(rounding, 1 - rounding), second.double()
        return -happened * probs.log() - (1 - happened) * (-probs).log1p()
