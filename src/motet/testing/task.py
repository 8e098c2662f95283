"""The contract of a task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from motet.data.batch import Batch
from motet.data.log import EventLog
from motet.losses.softmax import pair_scores
from motet.model import Model
from motet.tasks.base import CorpusTask, Task
from motet.testing.precision import check_precision
from motet.towers.feature import FeatureTower


def check_task(build: Callable[[], Task], log: EventLog) -> None:
    """Check that a task ignores the order of rows and rows without a label, and that its config rebuilds it.

    A task that ranks the catalogue ignores rows with an unknown item as well. Users and items broadcast when they are
    scored.

    Args:
        build: Returns a new task.
        log: At least two rows with the columns that the task reads; some without a label, if it reads one.

    Raises:
        AssertionError: If the task breaks the contract.

    Example:
        >>> import polars as pl
        >>> from motet.data.schema import Schema
        >>> from motet.tasks import Rating
        >>> events = pl.DataFrame({"user_id": [1, 1, 2], "item_id": [5, 6, 5], "rating": [3.0, None, 4.0]})
        >>> check_task(Rating, EventLog.read(events, Schema(signals=("rating",))))
    """
    with torch.random.fork_rng():
        torch.manual_seed(0)  # the same weights each time
        user, item = (FeatureTower(side, dim=4, features=()) for side in (log.users, log.items))
        model = Model(user=user, item=item, tasks=[build()])
    model.prepare(log)
    model.eval()
    _check_losses(model, log.batch())
    _check_pair_scores(model, log.batch())
    check_precision(model, lambda each: {"the loss of the rows": _row_losses(each, log.batch())})
    (task,) = model.tasks.values()
    metrics, fresh = task.metrics(), task.metrics()
    assert metrics, "a task without metrics cannot be evaluated"
    assert not any(metrics[name] is fresh[name] for name in metrics), "metrics() returned the same object twice"
    rebuilt = Model(user=user, item=item, tasks=[type(task)(**task.config())])
    rebuilt.load_state_dict(model.state_dict())
    assert torch.equal(*(each.eval().score(log.batch())[task.name] for each in (model, rebuilt))), (
        "a task with the same config and weights gives different scores"
    )


def _check_losses(model: Model, batch: Batch) -> None:
    (task,) = model.tasks.values()
    tables = [next(tower.parameters()) for tower in (model.user, model.item)]
    losses = _row_losses(model, batch)
    assert losses.shape == (len(batch),), f"{len(batch)} rows gave losses of shape {tuple(losses.shape)}"
    assert losses.isfinite().all(), "a loss is not finite"
    labelled = task.labelled(batch)
    assert not losses[~labelled].any(), "a row without a label has a loss"
    turned = batch.take(torch.arange(len(batch) - 1, -1, -1))
    assert torch.allclose(_row_losses(model, turned).flip(0), losses, atol=1e-5), "the order of rows matters"
    if task.needs:
        alone = batch.take(labelled)
        some, every = (model.losses(rows)[task.name] for rows in (alone, batch))
        assert torch.allclose(some, every, atol=1e-5), "rows without a label change the loss"
    if isinstance(task, CorpusTask):
        _check_unknown_items(model, batch)
    gradients = torch.autograd.grad(losses.sum(), tables, allow_unused=True)
    assert all(gradient is not None for gradient in gradients), "the loss does not reach both towers"


def _check_unknown_items(model: Model, batch: Batch) -> None:
    (task,) = model.tasks.values()
    known = torch.arange(len(batch)) % 2 > 0
    partly = replace(batch, columns={**batch.columns, batch.item_key: batch.items.where(known, 0)})
    assert not _row_losses(model, partly)[~known].any(), "a row with an unknown item has a loss"
    found = []
    for rows in (partly, batch.take(known)):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            found.append(model.losses(rows)[task.name])
    with_unknown, without = found
    assert torch.allclose(with_unknown, without, atol=1e-5), "rows with an unknown item change the loss"


def _row_losses(model: Model, batch: Batch) -> Tensor:
    (task,) = model.tasks.values()
    user, item = model(batch)
    with torch.random.fork_rng():
        torch.manual_seed(0)  # the same negatives each time
        return task.loss(user, item, batch)


def _check_pair_scores(model: Model, batch: Batch) -> None:
    (task,) = model.tasks.values()
    pairs = Batch({batch.user_key: batch.users, batch.item_key: batch.items}, batch.user_key, batch.item_key)
    with torch.no_grad():
        user, item = model(pairs)
        scores = task.score(user, item, pairs)
        assert scores.shape == (len(batch),), f"{len(batch)} pairs gave scores of shape {tuple(scores.shape)}"
        assert scores.isfinite().all(), "a score is not finite"
        _check_broadcasting(task, user, item, pairs, scores)
        if isinstance(task, CorpusTask):
            dots = pair_scores(task.queries(user, pairs), task.candidates(item, pairs))
            assert torch.allclose(scores, dots, atol=1e-5), "a score is not the dot product of query and candidate"


def _check_broadcasting(task: Task, user: Tensor, item: Tensor, batch: Batch, scores: Tensor) -> None:
    """Score every user with every item, where the diagonal holds the pairs of the batch."""
    size = len(batch)
    columns = {batch.user_key: batch.users[:, None], batch.item_key: batch.items.expand(size, -1)}
    every = task.score(user[:, None], item.expand(size, -1, -1), replace(batch, columns=columns))
    assert every.shape == (size, size), (
        f"users [{size}, 1, dim] with items [{size}, {size}, dim] gave scores of shape {tuple(every.shape)}"
    )
    assert torch.allclose(every.diagonal(), scores, atol=1e-5), "a score depends on the other pairs"
