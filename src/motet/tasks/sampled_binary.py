"""SampledBinary: negative sampling, a logistic regression of positives against drawn items."""

from __future__ import annotations

import math

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from motet.data.batch import Batch
from motet.errors import ConfigError
from motet.tasks.rows import Rows
from motet.tasks.sampled import By, SampledTask, Scores


class SampledBinary(SampledTask):
    r"""Classifies pairs of a user and an item as positive or drawn, by a logistic regression on their score.

    $$ \ell = \frac{1}{(1 + k) \log 2} \Big[ \log(1 + e^{-z(u, i)})
       + \frac{k}{|N|} \sum_{c \in N} \log(1 + e^{z(u, c)}) \Big], \qquad z(u, i) = s(u, i) - \log(n \, Q(i)) $$

    with k negatives per positive, the drawn items N, the n items of the catalogue and the probability Q(i) of drawing
    item i. With the correction, the scores learn how likely an item is. Without it (`log_q=False`, z = s), an item that
    is drawn by popularity is as often a negative as a positive, and the scores learn how much more often this user
    takes it than other users do, as in word2vec. For uniform draws both are the same. The loss is 1 if every pair has
    probability 1/2.

    Args:
        name: Key of its loss, metrics, score and weight.
        positives: The rows that are positives: a condition, or `Rows` with weights. By default all rows.
        draws: The number of items drawn for a batch, with replacement.
        by: `"uniform"`, or `"popularity"` among the positives.
        negatives_each: The weight of the negatives relative to a positive, k in the formula. 5 is word2vec's for large
            corpora.
        log_q: Whether to correct the scores for the probability with which items are drawn.
        item_bias: Whether each item has a learned bias; it starts at the log of its training count.
        projected: Whether the task has its own linear map from user vector to query, as with `heads=1` in `Retrieval`;
            otherwise the query is the user vector itself.

    Raises:
        ConfigError: If `draws` is below 1, `by` is neither, or `negatives_each` is not above 0 and finite.

    Source:
        Mikolov et al., "Distributed Representations of Words and Phrases and their Compositionality", NeurIPS 2013,
        eq. 4; Levy and Goldberg, "Neural Word Embedding as Implicit Matrix Factorization", NeurIPS 2014, for what the
        scores learn.
    """

    def __init__(
        self,
        name: str = "sampled_binary",
        *,
        positives: str | Rows | None = None,
        draws: int = 128,
        by: By = "uniform",
        negatives_each: float = 5.0,
        log_q: bool = True,
        item_bias: bool = False,
        projected: bool = False,
    ) -> None:
        super().__init__(name, positives=positives, draws=draws, by=by, item_bias=item_bias, projected=projected)
        if not 0 < negatives_each < math.inf:
            raise ConfigError(f"negatives_each={negatives_each}; it must be above 0 and finite")
        self.negatives_each = negatives_each
        self.log_q = log_q

    def contrast(self, scores: Scores, batch: Batch, drawn: Int[Tensor, " draws"]) -> Float[Tensor, " rows"]:
        """The loss of the positive, and k times the mean loss of the drawn items; see `SampledTask.contrast`."""
        positives, negatives = scores.positives, scores.negatives
        if self.log_q:
            share = scores.log_share.to(positives.dtype)
            positives, negatives = positives - share[batch.items], negatives - share[drawn]
        of_negatives: Tensor = F.softplus(negatives).mean(1)
        losses = F.softplus(-positives) + self.negatives_each * of_negatives[scores.user]
        return losses / ((1 + self.negatives_each) * math.log(2))
