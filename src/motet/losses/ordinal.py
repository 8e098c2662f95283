"""Cumulative link loss: scores against ordered levels without distances."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from motet.losses.pointwise import same_shape


def cumulative_link(
    scores: Float[Tensor, " rows"], levels: Int[Tensor, " labels"], thresholds: Float[Tensor, " cuts"]
) -> Float[Tensor, " rows"]:
    r"""Negative log-likelihood of the observed level under the proportional odds model.

    $$ P(y \le k) = \sigma(\theta_k - s), \qquad
       \ell = - \log \big( \sigma(\theta_k - s) - \sigma(\theta_{k - 1} - s) \big) $$

    Computed without cancellation, by
    $\sigma(a) - \sigma(b) = \sigma(a) \, \sigma(-b) \, (1 - e^{b - a})$.

    Args:
        scores: One per row; higher for higher levels.
        levels: The observed levels, from 0 to the number of thresholds.
        thresholds: Boundaries between levels, ascending, in the unit of the scores.

    Returns:
        One loss per row.

    Raises:
        DataError: If there are not as many levels as scores.

    Source:
        McCullagh, "Regression Models for Ordinal Data", Journal of the Royal Statistical Society B 1980, eq. 2.1.

    Example:
        >>> thresholds = torch.tensor([0.75, 0.25, 0.5]).logit().sort().values
        >>> cumulative_link(torch.zeros(4), torch.arange(4), thresholds).neg().exp()
        tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """
    last = len(thresholds)
    levels = same_shape(levels, scores)
    below = F.logsigmoid(thresholds[levels.clamp(max=last - 1)] - scores).where(levels < last, 0.0)
    above = F.logsigmoid(scores - thresholds[(levels - 1).clamp(min=0)]).where(levels > 0, 0.0)
    widths = F.pad((-torch.expm1(-thresholds.diff())).log(), (1, 1))  # the lowest and highest levels are open
    return -(below + above + widths[levels])
