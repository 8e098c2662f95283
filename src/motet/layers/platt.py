"""Platt: calibration of log-odds by two numbers, fitted on held-out rows."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Platt(nn.Module):
    r"""An increasing linear map of the log-odds of each stage; the identity until it is fitted.

    $$ z' = a z + b, \qquad a > 0 $$

    It preserves the order of scores, and is not trained with the model: see `motet.calibration.calibrate`.

    Args:
        stages: Number of probabilities, each given the one before.

    Attributes:
        slope: a, one per stage.
        offset: b, one per stage.
        rows: Number of rows that they were fitted on; 0 if not fitted.
        before: Calibration error of each stage on these rows, before calibration.
        after: Calibration error with a map that was fitted on the other half of the rows.

    Source:
        Platt, "Probabilistic Outputs for Support Vector Machines", Advances in Large Margin Classifiers 1999.
    """

    slope: Tensor
    offset: Tensor
    rows: Tensor
    before: Tensor
    after: Tensor

    def __init__(self, stages: int = 1) -> None:
        super().__init__()
        for name in ("slope", "offset", "rows", "before", "after"):
            self.register_buffer(name, torch.zeros(stages))
        self.reset()

    def reset(self) -> None:
        """Reset to the identity, because the weights are about to change."""
        self.slope.fill_(1.0)
        for figure in (self.offset, self.rows, self.before, self.after):
            figure.zero_()

    def forward(self, logits: Float[Tensor, " *shape"]) -> Float[Tensor, " *shape"]:
        """Calibrate log-odds.

        Args:
            logits: The log-odds of a head; the stages, if there are several maps, on the last axis. If there are
                fewer stages than maps, the first maps apply.

        Returns:
            The same shape.
        """
        stages = logits.shape[-1] if len(self.slope) > 1 else 1
        return logits * self.slope[:stages] + self.offset[:stages]
