"""BPR: ranks what a user took above what they did not."""

from __future__ import annotations

import math

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from motet.data.batch import Batch
from motet.tasks.rows import Rows
from motet.tasks.sampled import By, SampledTask, Scores


class BPR(SampledTask):
    r"""Bayesian personalised ranking: each positive against items drawn from the catalogue, pair by pair.

    $$ \ell = \frac{1}{\log 2} \, \frac{1}{|N|} \sum_{c \in N} \log(1 + e^{s(u, c) - s(u, i)}) $$

    for the drawn items N that the user did not have in training. At chance the loss is 1. It maximises each user's AUC,
    in which the middle of a list matters as much as its head, unlike in the softmax of `Retrieval`. All rows of a batch
    share the draws; see `SampledTask`.

    Args:
        name: Key of its loss, metrics, score and weight.
        positives: The rows that are positives: a condition, or `Rows` with weights. By default all rows.
        draws: Items drawn for a batch, with replacement.
        by: Whether items are drawn `"uniform"`ly, as in the paper, or by their `"popularity"` among the positives.
        spare_seen: Whether items that a user had in training are left out of their negatives.
        item_bias: Whether each item has a learned bias; it starts at the log of its training count.
        projected: Whether the task has its own linear map from user vector to query, as with `heads=1` in `Retrieval`;
            otherwise the query is the user vector itself.

    Raises:
        ConfigError: If `draws` is below 1 or `by` is neither.

    Source:
        Rendle et al., "BPR: Bayesian Personalized Ranking from Implicit Feedback", UAI 2009, section 4.1.
    """

    def __init__(
        self,
        name: str = "bpr",
        *,
        positives: str | Rows | None = None,
        draws: int = 128,
        by: By = "uniform",
        spare_seen: bool = True,
        item_bias: bool = False,
        projected: bool = False,
    ) -> None:
        super().__init__(name, positives=positives, draws=draws, by=by, item_bias=item_bias, projected=projected)
        self.spare_seen = spare_seen

    def contrast(self, scores: Scores, batch: Batch, drawn: Int[Tensor, " draws"]) -> Float[Tensor, " rows"]:
        """The mean over the drawn items; 0 where the user had all of them. See `SampledTask.contrast`."""
        losses = F.softplus(scores.negatives[scores.user] - scores.positives[:, None])
        if not self.spare_seen:
            return losses.mean(1) / math.log(2)
        kept = (~self.had(batch, drawn))[scores.user].to(losses.dtype)
        total: Tensor = (losses * kept).sum(1)
        return total / kept.sum(1).clamp(min=1) / math.log(2)
