"""Listwise: learns to sort a user's items by a label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from motet.data.batch import Batch, Columns
from motet.errors import DataError
from motet.layers.embedding import Embedding
from motet.layers.lists import Lists
from motet.layers.mlp import MLP
from motet.losses.listwise import against_chance
from motet.metrics.base import Metric
from motet.metrics.list_ndcg import ListNDCG
from motet.tasks.base import at_rows
from motet.tasks.label import Label
from motet.tasks.pair import Inputs, PairTask
from motet.tasks.rows import Rows
from motet.towers.base import Tower


class Listwise(PairTask):
    r"""Learns scores that sort the rows of each list by the label; a list is the rows of one user in a batch.

    The loss of a list is divided by its value for equal scores and spread over the list's labelled rows. Its mean over
    these rows is then 1 for a model that knows nothing, whatever the loss and the length. The task's loss is the mean
    over the labelled rows of all lists with at least two different labels, so a list counts in proportion to its
    length. Rows of other lists, and of unknown users, cannot be compared and have weight 0.

    Row weights multiply a row's part of the loss. Only rows of the same batch are compared.

    Args:
        label: Column of the number to sort by, for `"lambda"` grades of 0 or more, and the name of the task; a `Label`
            gives another.
        loss: `"listmle"`, `"lambda"` (LambdaRank), `"hinge"` or `"logistic"`; see `motet.losses.listwise`. The last
            three hold every pair of a list, so their memory grows with the square of its length: see `sample_lists`.
        by: Column that divides a user's rows into lists (a session, the `list` of `sample_lists`); a row in which it is
            unknown is in no list. By default, and always in evaluation, all rows of a user are one list.
        hidden: Widths of the head's hidden layers; empty for a linear head.
        product: Whether the head also sees the elementwise product of the vectors.
        biases: Whether to add a learned bias for each item; one for each user would not change an order.
        dropout: Share of the head's hidden values set to 0 in training.
        where: The rows it learns from: a condition, or `Rows` with weights. By default every row with a label.

    Raises:
        ConfigError: If the loss is unknown.

    Source:
        Xia et al., "Listwise Approach to Learning to Rank: Theory and Algorithm", ICML 2008; Burges, "From RankNet to
        LambdaRank to LambdaMART: An Overview", 2010.
    """

    def __init__(
        self,
        label: str | Label,
        *,
        loss: Literal["listmle", "lambda", "hinge", "logistic"] = "listmle",
        by: str | None = None,
        hidden: Sequence[int] = (64,),
        product: bool = False,
        biases: bool = False,
        dropout: float = 0.0,
        where: str | Rows | None = None,
    ) -> None:
        named = Label.of(label)
        super().__init__(named.name, needs=(named.column,), where=where, product=product)
        self.list_loss = against_chance(loss)
        self.label = label
        self.column = named.column
        self.kind = loss
        self.by = by
        self.hidden = tuple(hidden)
        self.biases = biases
        self.dropout = dropout

    def config(self) -> dict[str, object]:
        """The constructor's arguments by name; `loss` is a method here."""
        return {
            "label": self.label,
            "loss": self.kind,
            "by": self.by,
            "hidden": self.hidden,
            "product": self.product,
            "biases": self.biases,
            "dropout": self.dropout,
            "where": self.where,
        }

    def build_head(self, width: int, user: Tower, item: Tower) -> None:  # noqa: ARG002
        """Create the head and the item biases; see `PairTask.build_head`."""
        self.head = MLP(width, hidden=self.hidden, out_dim=1, dropout=self.dropout)
        self.item_bias = Embedding(len(item.entities), 1, init_scale=0.0) if self.biases else None

    def prepare(self, train: Columns) -> None:
        """Refuse a log without an order to learn.

        Args:
            train: The training log.

        Raises:
            DataError: If no list has two different labels.
        """
        batch = train.batch()
        if not self._comparable(batch).any():
            raise DataError(
                f"task {self.name!r} has no order to learn: no two of its rows with the same {batch.user_key!r}"
                f"{'' if self.by is None else f' and {self.by!r}'} differ in {self.column!r}; give it rows to compare, "
                "or weight 0"
            )
        self.prepared.fill_(True)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the log that it reads."""
        return tuple(dict.fromkeys((*super().columns, *([] if self.by is None else [self.by]))))

    def labelled(self, batch: Batch) -> Bool[Tensor, " batch"]:
        """The labelled rows of known users; unknown users are different users, so their rows are no list."""
        return super().labelled(batch) & (batch.users > 0)

    def training_weights(self, batch: Batch) -> Float[Tensor, " batch"]:
        """The weight of each row in the loss; 0 if its list has no other label."""
        return super().training_weights(batch) * self._comparable(batch)

    def head_loss(self, inputs: Inputs, batch: Batch) -> Float[Tensor, " batch"]:
        """Each row's part of its list's loss; see `PairTask.head_loss`."""
        rows = self._comparable(batch).nonzero().squeeze(1)
        some = batch.take(rows)
        losses = self.list_loss(
            self.head_score([part[rows] for part in inputs], some), some[self.column], self._lists(some)
        )
        return at_rows(losses, rows, len(batch))

    def head_score(self, inputs: Inputs, batch: Batch) -> Float[Tensor, "*batch"]:
        """A score that sorts the rows of a list, without a unit; see `PairTask.head_score`."""
        scores = self.head(*inputs)
        if self.item_bias is not None:
            scores = scores + self.item_bias(batch.items)
        flat: Tensor = scores.squeeze(-1)
        return flat

    def metrics(self) -> Mapping[str, Metric]:
        """NDCG of each user's labelled rows, of the first ten and of all; the label is the grade."""
        return {"list_ndcg@10": ListNDCG(10), "list_ndcg": ListNDCG()}

    def _lists(self, batch: Batch) -> Tensor:
        """The list of each row: a user, or a user and a value of `by`, since session numbers may restart per user."""
        if self.by is None:
            return batch.users
        values, part = batch[self.by].unique(return_inverse=True)  # a NaN equals nothing, not even another NaN
        lists: Tensor = batch.users * len(values) + part
        return lists

    def _comparable(self, batch: Batch) -> Bool[Tensor, " batch"]:
        """The labelled rows whose list has another label."""
        rows = self.labelled(batch)
        if self.by is not None and self.by in batch.vocabs:
            rows = rows & (batch[self.by] > 0)  # an unknown category is no list
        labels = batch[self.column].where(rows, torch.nan)
        lists = Lists.of(labels, self._lists(batch))
        differs = lists.total(lists.lower.double()) > 0
        return torch.zeros_like(labels, dtype=torch.bool).index_put((lists.rows,), differs[lists.number])
