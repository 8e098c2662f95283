"""BPR: Bayesian personalised ranking, a pairwise loss on items drawn from the catalogue."""

from __future__ import annotations

import math

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from motet.data.batch import Batch
from motet.tasks.rows import Rows
from motet.tasks.sampled import By, SampledTask, Scores


class BPR(SampledTask):
    r"""Compares each positive with items drawn from the catalogue, pair by pair.

    $$ \ell = \frac{1}{\log 2} \, \frac{1}{|N|} \sum_{c \in N} \log(1 + e^{s(u, c) - s(u, i)}) $$

    for the drawn items N other than i that the user did not have in training. The loss is 1 at chance. It maximises the
    AUC of each user, in which the middle of a ranking counts as much as its top; the softmax of `Retrieval` favours
    the top. All rows of a batch share the draws; see `SampledTask`.

    Args:
        name: Key of its loss, metrics, score and weight.
        positives: The rows that are positives: a condition, or `Rows` with weights. By default all rows.
        draws: The number of items drawn for a batch, with replacement.
        by: `"uniform"`, as in the paper, or `"popularity"` among the positives.
        spare_seen: Whether a user's training items are left out of their negatives.
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
        """The mean loss over the negatives; 0 if the user has seen all drawn items. See `SampledTask.contrast`."""
        losses = F.softplus(scores.negatives[scores.user] - scores.positives[:, None])
        if not self.spare_seen:
            return losses.mean(1) / math.log(2)
        seen = self.seen(batch, drawn)[scores.user] | (drawn == batch.items[:, None])
        kept = (~seen).to(losses.dtype)
        total: Tensor = (losses * kept).sum(1)
        return total / kept.sum(1).clamp(min=1) / math.log(2)
