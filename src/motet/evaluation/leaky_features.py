"""leaky_features: finds declared features that hold the label of a task.

A feature that predicts a label almost perfectly was usually recorded after the event, such as the delivery date of a
purchase. It makes metrics too optimistic, and is not known when the model serves a request.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.data.entities import Bag, Codes, Column, Numbers
from motet.data.log import EventLog
from motet.metrics.auc import AUC
from motet.tasks.base import Task

SAMPLE = 100_000  # training rows on which features are checked
SUPPORT = 30  # least number of labelled rows: with fewer, features predict labels by chance
CLASS = 5  # least number of rows of either class of a binary label, for the same reason
LEVELS = 256  # groups of a numeric feature: its values, or as many quantiles if it has more
LEAKS = 0.99  # AUC or share of variance above which a feature holds the label
SUSPICIOUS = 0.95  # AUC above which a feature may hold part of a label, if user and item say much less
SUSPECTS = 50  # least number of rows of either class to suspect a feature
PRIOR = 5  # rows with the mean label, added to those of each user and item


def leaky_features(train: EventLog, tasks: Iterable[Task]) -> list[str]:
    r"""Find declared features that hold the label of a task, on the training rows.

    The label of each row is predicted by the mean label of the other rows with the same value of the feature, so that
    rare values do not predict it by chance; unknown counts as a value, and rows that share theirs with no other row are
    left out. For a binary label, the prediction is measured by its AUC (for a numeric feature, also by the AUC of the
    feature itself); for any other label, by the share of variance that it explains,

    $$ 1 - \frac{\sum_i (y_i - \hat y_i)^2}{\sum_i (y_i - \bar y)^2} $$

    A feature whose AUC is above 0.95 is suspicious if the mean labels of users and items, of the other rows, get at
    least twice as many pairs of rows wrong: it knows more of the event than who and what it is about. Such are the mean
    label of a user and an item with the row itself among them, and the label with noise. There must be 50 rows of
    either class.

    For a multi-valued feature or text, the presence of each value is measured separately. A large log is sampled:
    100,000 rows, evenly spaced.

    Args:
        train: Training rows.
        tasks: Tasks whose labels are checked, each on its own rows.

    Returns:
        A warning for each feature whose AUC or share of variance is above 0.99, and each suspicious one.
    """
    log = train.take(torch.arange(0, len(train), -(-len(train) // SAMPLE))) if len(train) else train
    batch = log.batch()
    found: dict[str, None] = {}
    for task in tasks:
        chosen = task.rows.chosen(batch)
        for label in task.judged.values():
            if label not in batch:
                continue
            known = (chosen & ~batch[label].isnan()).nonzero()[:, 0]
            if enough(batch[label][known]):
                found |= dict.fromkeys(_warnings(log, label, known))
    return list(found)


def enough(labels: Float[Tensor, " rows"]) -> bool:
    """Whether there are enough labels to tell a leak from chance.

    Args:
        labels: The labels.

    Returns:
        False for fewer than 30, for labels that are all equal, and for fewer than 5 of either of two values.
    """
    if len(labels) < SUPPORT:
        return False
    values, counts = labels.unique(return_counts=True)
    return len(values) > 2 or (len(values) == 2 and int(counts.min()) >= CLASS)


class _Strength(NamedTuple):
    """How well a feature predicts a label, and the number of rows that this was measured on."""

    figure: float
    rows: int


class _Feature(NamedTuple):
    """A declared feature of the users, the items or the events.

    Attributes:
        name: Its name for warnings.
        column: The column.
        entities: The row of the column for each event; None if the column has one row per event.
    """

    name: str
    column: Column
    entities: Tensor | None


def _features(log: EventLog) -> Iterator[_Feature]:
    """All declared features."""
    batch = log.batch()
    for side, entities, rows in (("user", log.users, batch.users), ("item", log.items, batch.items)):
        for name, feature in entities.features.items():
            yield _Feature(f"{side} feature {name!r}", feature, rows)
    for name in log.schema.context_features:
        values = log.columns[name]
        if values.ndim == 1:
            column: Column = Codes(values, log.vocabs[name]) if name in log.vocabs else Numbers(values)
            yield _Feature(f"context {name!r}", column, None)


def _warnings(log: EventLog, label: str, rows: Tensor) -> Iterator[str]:
    """A warning for each feature that holds one label."""
    labels = log.columns[label][rows].double()
    bar = _suspicious(log, labels, rows)
    for name, column, entities in _features(log):
        entity = rows if entities is None else entities[rows]
        if isinstance(column, Codes):
            found = _by_groups(column.rows[entity], labels)
        elif isinstance(column, Bag):
            found = _by_presence(column, entity, labels)
        else:
            values = column.values[entity]
            found = max(_by_groups(_levels(values), labels), _by_size(values, labels))
        if found.figure > LEAKS:
            how = "AUC" if _binary(labels) else "share of variance"
            yield (
                f"{name} predicts the label {label!r}: {how} {found.figure:.4f} on {found.rows:,} training "
                "rows; remove it if it is not known before the event"
            )
        elif found.figure > bar:
            yield (
                f"{name} predicts the label {label!r} suspiciously well: AUC {found.figure:.4f} on {found.rows:,} "
                "training rows, far more than users and items do; remove it if it is not known before the event"
            )


def _suspicious(log: EventLog, labels: Float[Tensor, " rows"], rows: Int[Tensor, " rows"]) -> float:
    """The AUC above which a feature is suspicious; infinity if there are too few rows to tell, or for other labels."""
    happened = int((labels == 1).sum())
    if not _binary(labels) or min(happened, len(labels) - happened) < SUSPECTS:
        return math.inf
    batch = log.batch()
    means = sum(_mean_of_others(side[rows], labels) for side in (batch.users, batch.items))
    assert isinstance(means, Tensor)
    return max(SUSPICIOUS, 1 - (1 - _area(means, labels)) / 2)


def _mean_of_others(groups: Int[Tensor, " rows"], labels: Float[Tensor, " rows"]) -> Float[Tensor, " rows"]:
    """The mean label of the other rows in the same group, drawn towards the mean of all if they are few."""
    sums, counts = torch.bincount(groups, labels)[groups] - labels, torch.bincount(groups)[groups] - 1
    return (sums + PRIOR * labels.mean()) / (counts + PRIOR)


def _binary(labels: Tensor) -> bool:
    return bool(((labels == 0) | (labels == 1)).all())


def _by_groups(groups: Int[Tensor, " rows"], labels: Float[Tensor, " rows"]) -> _Strength:
    """AUC or share of variance of the mean label of the other rows in the same group, over rows that have others."""
    counts = torch.bincount(groups)[groups]
    others = (torch.bincount(groups, labels)[groups] - labels) / (counts - 1)
    shared = counts > 1
    others, own = others[shared], labels[shared]
    if not enough(own):
        return _Strength(0.0, len(own))
    if _binary(labels):
        return _Strength(_area(others, own), len(own))
    return _Strength(1 - float((own - others).square().sum() / (own - own.mean()).square().sum()), len(own))


def _by_size(values: Float[Tensor, " rows"], labels: Float[Tensor, " rows"]) -> _Strength:
    """AUC of a numeric feature, in the better direction; rows where it is unknown are left out."""
    known = ~values.isnan()
    if not _binary(labels) or not enough(labels[known]):
        return _Strength(0.0, 0)
    area = _area(values[known].double(), labels[known])
    return _Strength(max(area, 1 - area), int(known.sum()))


def _by_presence(bag: Bag, entities: Int[Tensor, " rows"], labels: Float[Tensor, " rows"]) -> _Strength:
    """AUC or share of variance of the presence of a value, for the value that predicts best."""
    width = len(bag.vocab)
    each = torch.bincount(entities, minlength=len(bag.offsets) - 1).double()  # events of each entity
    sums = torch.bincount(entities, labels, minlength=len(each))
    owner = torch.repeat_interleave(bag.offsets.diff())
    cells = (owner * width + bag.rows).unique()
    owner, value = cells // width, cells % width
    having = torch.zeros(width, dtype=torch.float64).index_add_(0, value, each[owner])
    total = torch.zeros(width, dtype=torch.float64).index_add_(0, value, sums[owner])
    rows, mean = len(labels), labels.mean()
    if _binary(labels):
        happened = labels.sum()
        areas = 0.5 + 0.5 * (total / happened - (having - total) / (rows - happened)).abs()
        return _Strength(float(areas.max()) if width else 0.0, rows)
    between = (total - having * mean).square() * (1 / having.clamp(min=1) + 1 / (rows - having).clamp(min=1))
    return _Strength(float(between.max() / (labels - mean).square().sum()) if width else 0.0, rows)


def _levels(values: Float[Tensor, " rows"]) -> Int[Tensor, " rows"]:
    """Bin a numeric feature; unknown is a group of its own."""
    known = values[~values.isnan()].double()
    distinct = known.unique()
    if len(distinct) > LEVELS:
        distinct = known.sort().values[torch.linspace(0, len(known) - 1, LEVELS).long()].unique()
    groups = torch.bucketize(values.double().nan_to_num(0.0), distinct) + 1
    return groups.masked_fill(values.isnan(), 0)


def _area(scores: Tensor, labels: Tensor) -> float:
    auc = AUC()
    auc.update(scores, labels)
    return auc.compute()
