"""Platt: log odds made honest by two numbers, which rows that training did not see have chosen."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Platt(nn.Module):
    r"""An increasing line through the log odds of each stage; it leaves them as they are until `set`.

    $$ z' = a z + b, \qquad a > 0 $$

    The order of the scores stays. Trained without it: see `motet.calibration.calibrate`.

    Args:
        stages: How many probabilities there are, each given the one before.

    Attributes:
        slope: a, one a stage.
        offset: b, one a stage.
        rows: How many rows have chosen them; 0 where none have.
        before: The calibration error of each stage on them, as the model was.
        after: The same with a line that was fitted on the other half of them.

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
        """Forget what was fitted: the weights are about to change."""
        self.slope.fill_(1.0)
        for figure in (self.offset, self.rows, self.before, self.after):
            figure.zero_()

    def forward(self, logits: Float[Tensor, " *shape"]) -> Float[Tensor, " *shape"]:
        """The log odds to believe.

        Args:
            logits: Those of the head; of fewer stages than there are, the first ones.

        Returns:
            The same shape.
        """
        stages = logits.shape[1] if logits.ndim > 1 else 1
        return logits * self.slope[:stages] + self.offset[:stages]
