"""The contract every task keeps."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from motet.data.batch import Batch
from motet.data.log import EventLog
from motet.tasks import Catalogue, Event, Funnel, InBatch, Ordinal, Rating, Retrieval, Rows, Task
from motet.testing import check_task

TASKS: dict[str, Callable[[], Task]] = {
    "retrieval": Retrieval,
    "several heads": lambda: Retrieval(heads=3, item_bias=True, temperature=None),
    "sparing": lambda: Retrieval(pool=InBatch(spare="history", hardest=3)),
    "catalogue": lambda: Retrieval("views", pool=Catalogue(spare="batch"), positives=Rows(weight="weight")),
    "rating": Rating,
    "rating, everything": lambda: Rating(
        error="huber",
        hidden=(8, 4),
        product=True,
        biases=True,
        dropout=0.5,
        clip=(1, 5),
        where=Rows("rating != 3", weight="weight"),
    ),
    "event": lambda: Event("bought"),
    "event, everything": lambda: Event(
        "bought",
        where=Rows("rating != 3", weight="weight"),
        hidden=(8, 4),
        product=True,
        dropout=0.5,
        positive_weight=5.0,
        focal=2.0,
        biases=True,
    ),
    "funnel": lambda: Funnel(stages=("clicked", "bought")),
    "funnel, everything": lambda: Funnel(
        "shop",
        stages=("clicked", "bought"),
        stage="clicked",
        where=Rows("rating != 3", weight="weight"),
        hidden=(),
        product=True,
        dropout=0.5,
        biases=True,
    ),
    "ordinal": Ordinal,
    "ordinal, everything": lambda: Ordinal(
        levels=(1, 2, 3, 4, 5), where=Rows(weight="weight"), hidden=(), product=True, dropout=0.5, biases=True
    ),
    "linear rating": lambda: Rating(error="absolute", hidden=()),
}


@pytest.mark.parametrize("build", TASKS.values(), ids=TASKS)
def test_contract(build: Callable[[], Task], log: EventLog) -> None:
    check_task(build, log)


class Forgetful(Rating):
    """Counts rows without a label."""

    def loss(self, user: Tensor, item: Tensor, batch: Batch) -> Tensor:
        return (user - item).square().sum(1) + batch[self.label].nan_to_num()


class Positional(Rating):
    """Depends on where a row stands."""

    def loss(self, user: Tensor, item: Tensor, batch: Batch) -> Tensor:
        return super().loss(user, item, batch) * torch.arange(len(batch))


class Coarse(Rating):
    """Loses in bfloat16 what it has in float32."""

    def loss(self, user: Tensor, item: Tensor, batch: Batch) -> Tensor:
        return super().loss(user, item, batch) * (2 if torch.is_autocast_enabled("cpu") else 1)


class Forgets(Rating):
    """Loses its gradient in float64."""

    def loss(self, user: Tensor, item: Tensor, batch: Batch) -> Tensor:
        loss = super().loss(user, item, batch)
        return loss + 0 * user.sum() if user.dtype == torch.float32 else loss.detach() + 0 * (user.sum() + item.sum())


class Sloppy(Retrieval):
    """Scores by something else than it retrieves by."""

    def score(self, user: Tensor, item: Tensor, batch: Batch) -> Tensor:
        return super().score(user, item, batch) + 1


class Gullible(Retrieval):
    """Learns that an unknown item is a positive."""

    def labelled(self, batch: Batch) -> Tensor:
        return self.rows.chosen(batch)


class Diluted(Retrieval):
    """Counts rows of unknown items in its mean."""

    def row_weights(self, batch: Batch) -> Tensor:
        return self.rows.weights(batch)


class Flat(Rating):
    """Scores single pairs only."""

    def score(self, user: Tensor, item: Tensor, batch: Batch) -> Tensor:
        return super().score(user, item, batch).flatten()


class Crowded(Rating):
    """Depends on how many pairs are scored together."""

    def score(self, user: Tensor, item: Tensor, batch: Batch) -> Tensor:
        scores = super().score(user, item, batch)
        return scores + scores.numel()


@pytest.mark.parametrize(
    ("build", "complaint"),
    [
        (Forgetful, "a row without a label has a loss"),
        (Positional, "the order of rows matters"),
        (Coarse, "under torch.autocast in bfloat16, the loss of the rows is .* of its norm away from float32"),
        (Forgets, "with weights in float64, the gradient is 1 of its norm away from float32"),
        (Gullible, "a row with an unknown item has a loss"),
        (Diluted, "rows with an unknown item change the loss"),
        (Sloppy, "a score is not the dot product"),
        (Flat, r"users \[60, 1, dim\] with items \[60, 60, dim\] gave scores of shape \(3600,\)"),
        (Crowded, "a score depends on the other pairs"),
    ],
)
def test_the_contract_finds_what_is_wrong(build: Callable[[], Task], complaint: str, log: EventLog) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_task(build, log)
