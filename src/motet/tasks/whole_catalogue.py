"""WholeCatalogue: the loss of implicit ALS, a squared error over all user-item pairs of the log and the catalogue."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from motet.data.batch import Batch
from motet.errors import ConfigError
from motet.tasks.base import at_rows
from motet.tasks.dot import DotTask
from motet.tasks.rows import Rows


class WholeCatalogue(DotTask):
    r"""Regresses the score on 1 for positives and on 0 for all other pairs, without sampling: the loss of implicit ALS.

    $$ L = \sum_u \Big[ \sum_{i : m_{ui} > 0} (1 + \alpha m_{ui}) (1 - s_{ui})^2
       + \sum_{i : m_{ui} = 0} s_{ui}^2 \Big] $$

    with the number $m_{ui}$ of training positives of user u and item i. The second sum is never computed pair by pair:

    $$ \sum_i s_{ui}^2 = q_u^T \Big( \sum_i v_i v_i^T \Big) q_u $$

    needs a single matrix, of the vectors' width, for all users. Each positive carries a share of L, so that the shares
    of a batch estimate L:

    $$ \ell_r = \frac{1}{Z} \Big[ \Big(\alpha + \frac{1}{m_{ui}}\Big) (1 - s_{ui})^2 - \frac{s_{ui}^2}{m_{ui}}
       + \frac{q_u^T (\sum_j v_j v_j^T) q_u}{n_u} \Big] $$

    with the number $n_u$ of positives of user u; each row of an unknown user counts as a user of its own. Z makes the
    mean 1 if all scores are 0. The loss of a single row can be negative, but not the sum over the log. Every step
    embeds all items, as with `Catalogue`. Row weights multiply the shares.

    Args:
        name: Key of its loss, metrics, score and weight.
        positives: The rows that are positives: a condition, or `Rows` with weights. By default all rows.
        confidence: Alpha, the extra weight of a positive over another pair. The paper's 40 suits sparse logs of large
            catalogues; use less for a denser log.
        item_bias: Whether each item has a learned bias; it starts at the share of users who have the item.
        projected: Whether the task has its own linear map from user vector to query, as with `heads=1` in `Retrieval`;
            otherwise the query is the user vector itself.

    Raises:
        ConfigError: If the confidence is negative or not finite.

    Source:
        Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008, eq. 3 and 4;
        Krichene et al., "Efficient Training on Very Large Corpora via Gramian Estimation", ICLR 2019, for the
        shares.
    """

    pairs: Tensor
    copies: Tensor
    rows_of_user: Tensor

    def __init__(
        self,
        name: str = "whole_catalogue",
        *,
        positives: str | Rows | None = None,
        confidence: float = 1.0,
        item_bias: bool = False,
        projected: bool = False,
    ) -> None:
        super().__init__(name, positives=positives, heads=1 if projected else None, item_bias=item_bias)
        self.projected = projected
        if not 0 <= confidence < math.inf:
            raise ConfigError(f"confidence={confidence}; it must be 0 or more and finite")
        self.confidence = confidence

    def prepare_positives(self, positives: Batch, users: int, items: int) -> None:
        """Count the positives of each user and of each pair; see `DotTask.prepare_positives`."""
        each = torch.arange(len(positives), device=positives.users.device)
        who = positives.users.where(positives.users > 0, users + each)  # the unknown are not one user
        pairs, copies = (who * items + positives.items).unique(return_counts=True)
        self.items = items
        self.register_buffer("pairs", pairs, persistent=False)
        self.register_buffer("copies", copies, persistent=False)
        self.register_buffer("rows_of_user", torch.bincount(who, minlength=users), persistent=False)

    def first_bias(self, counts: Float[Tensor, " items"]) -> Float[Tensor, " items"]:
        """The share of users who have each item, which is the item's mean target."""
        had = torch.bincount(self.pairs % self.items, minlength=self.items)
        return had.to(counts.dtype) / (self.rows_of_user > 0).sum()

    def loss(
        self, user: Float[Tensor, "batch user_dim"], item: Float[Tensor, "batch item_dim"], batch: Batch
    ) -> Float[Tensor, " batch"]:
        """Each positive's share of the loss over all pairs, 0 for all other rows; see `Task.loss`."""
        self.check_prepared()
        rows = self.labelled(batch).nonzero().squeeze(1)
        some = batch.take(rows)
        users = some.distinct_users
        queries = self.queries(user[rows].index_select(0, users.first), some)
        scores = (queries[users.index] * self.candidates(item[rows], some)).sum(1)
        everything = torch.arange(1, self.items, device=batch.items.device)  # the unknown item is never ranked
        candidates = self.candidates(self._embed(some, everything), batch.entities(batch.item_key, everything))
        all_squared = (queries @ (candidates.T @ candidates) * queries).sum(1)[users.index]
        once = 1 / self._copies(some).to(scores.dtype)
        share = all_squared / self.rows_of_user[some.users].clamp(min=1)
        losses = (self.confidence + once) * (1 - scores).square() - once * scores.square() + share
        at_zero = self.confidence + len(self.pairs) / int(self.copies.sum())
        return at_rows(losses / at_zero, rows, len(batch))

    def _copies(self, batch: Batch) -> Tensor:
        """The number of training positives of each row's pair; 1 for a pair that is not in training."""
        keys = batch.users * self.items + batch.items
        place = torch.searchsorted(self.pairs, keys).clamp(max=len(self.pairs) - 1)
        return self.copies[place].where(self.pairs[place] == keys, 1)
