"""Leaks: signs that metrics are too optimistic, because test data leaked into training or features hold the label."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import polars as pl
import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.data.entities import Bag, Codes, Column, Numbers
from motet.data.log import EventLog
from motet.metrics.auc import AUC
from motet.tasks.base import Task

SAMPLE = 100_000  # training rows on which features are checked
SUPPORT = 30  # with fewer labelled rows, features predict labels by chance
CLASS = 5  # likewise with fewer rows of a class
LEVELS = 256  # groups of a numeric feature: its values, or as many quantiles if there are more
TELLS = 0.99  # AUC or share of variance above which a feature holds the label
ERRORS, RANKINGS = ("rmse", "mae", "log_loss"), ("ndcg", "mrr")
PERFECT = 0.999  # AUC, NDCG or MRR above which a metric is implausible
NOTHING = 0.01  # share of a simple rule's error below which an error is implausible


def interleaved(test: EventLog, train: EventLog) -> list[str]:
    """Check whether test rows precede training rows of the same user.

    Args:
        test: Held-out rows.
        train: Training rows.

    Returns:
        At most one warning; none if the log has no time.
    """
    time = train.schema.time
    if time is None or time not in test.columns or not len(train):
        return []
    before, after = train.batch(), test.batch()
    times = before[time].double()
    last = torch.full((len(train.users),), -torch.inf, dtype=torch.float64)
    last.scatter_reduce_(0, before.users, times, "amax")
    early = int(((after[time].double() < last[after.users]) & (after.users > 0)).sum())
    if not early:
        return []
    return [
        f"{early / len(test):.0%} of the test rows precede a training row of the same user: training has seen later "
        "events of these users, unlike in production; split by time for a realistic estimate"
    ]


def copied(test: EventLog, train: EventLog) -> list[str]:
    """Count test rows that are training rows as well, equal in every column.

    Args:
        test: Held-out rows.
        train: Training rows.

    Returns:
        At most one warning; none if the log has no time: then users may well have two equal events.
    """
    if train.schema.time is None or train.schema.time not in test.columns:
        return []
    shared = [name for name, values in test.columns.items() if name in train.columns and values.ndim == 1]
    mine, theirs = (pl.DataFrame({name: log.columns[name].numpy() for name in shared}) for log in (test, train))
    near = theirs.join(mine, on=[test.users.key, test.items.key], how="semi")  # few, so that whole rows cost little
    again = len(mine.join(near, on=shared, how="semi"))
    if not again:
        return []
    return [
        f"{again:,} of {len(test):,} test rows are training rows as well, equal in every column, so that the model has "
        "seen their labels; leave them out of either"
    ]


def absent(test: EventLog, train: EventLog) -> list[str]:
    """Count test users and test items without a training row.

    Args:
        test: Held-out rows.
        train: Training rows.

    Returns:
        Warnings about users and about items, if there are any.
    """
    found = []
    for side, key in (("users", train.users.key), ("items", train.items.key)):
        mine, theirs = test.columns[key].unique(), train.columns[key].unique()
        mine = mine[mine > 0]
        missing = int((~torch.isin(mine, theirs)).sum())
        unknown = int((test.columns[key] == 0).sum())
        if missing:
            found.append(f"{missing:,} of {len(mine):,} test {side} have no training row")
        if unknown:
            found.append(f"{unknown:,} test rows have unknown {side}")
    return found


def telling(train: EventLog, tasks: Iterable[Task]) -> list[str]:
    r"""Find declared features that hold the label of a task, on training rows.

    The label of each row is predicted by the mean label of the other rows with the same value, so that rare values do
    not predict it by chance; unknown counts as a value. For a binary label, the prediction is rated by its AUC (for a
    numeric feature, also by the AUC of the feature itself); for any other label, by the share of variance it explains,

    $$ 1 - \frac{\sum_i (y_i - \hat y_i)^2}{\sum_i (y_i - \bar y)^2} $$

    For a multi-valued feature or text, the presence of each value is rated separately. A large log is sampled: 100,000
    rows, evenly spaced.

    Args:
        train: Training rows.
        tasks: Tasks whose labels are checked, each on its own rows.

    Returns:
        A warning for each feature whose AUC or share of variance is above 0.99.
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
            if _enough(batch[label][known]):
                found |= dict.fromkeys(_told(log, label, known))
    return list(found)


def too_good(figures: Mapping[str, float], beside: Mapping[str, Mapping[str, float]], *, catalogue: int) -> list[str]:
    """Find implausibly good metrics.

    Args:
        figures: Metrics by key.
        beside: The same metrics of simple rules.
        catalogue: Number of items; among a single one, every ranking is perfect.

    Returns:
        A warning for each AUC, NDCG or MRR above .999 that no simple rule reaches, and each error below a hundredth of
        a simple rule's.
    """
    found = []
    for key, figure in figures.items():
        metric = key.rpartition("/")[2].partition("@")[0]
        rules = [rule[key] for rule in beside.values() if key in rule]
        small = metric in ERRORS and figure <= NOTHING * max(rules, default=0.1)
        meaningful = metric == "auc" or (metric in RANKINGS and catalogue > 1)
        large = meaningful and figure > PERFECT and not any(rule > PERFECT for rule in rules)
        if small or large:
            found.append(
                f"{key} is {figure:.4g}, which is too good to be true: look for a feature that holds the label, and "
                "for test rows among the training rows"
            )
    return found


def _enough(labels: Tensor) -> bool:
    if len(labels) < SUPPORT:
        return False
    values, counts = labels.unique(return_counts=True)
    return len(values) > 2 or (len(values) == 2 and int(counts.min()) >= CLASS)


class _Feature(NamedTuple):
    name: str
    column: Column
    entities: Tensor | None  # row of the column for each event; None if the column has one row for each event


def _features(log: EventLog) -> Iterator[_Feature]:
    """All declared features."""
    batch = log.batch()
    for side, entities, rows in (("user", log.users, batch.users), ("item", log.items, batch.items)):
        for name, column in entities.features.items():
            yield _Feature(f"{side} feature {name!r}", column, rows)
    for name in log.schema.context_features:
        values = log.columns[name]
        if values.ndim == 1:
            told = Codes(values, log.vocabs[name]) if name in log.vocabs else Numbers(values)
            yield _Feature(f"context {name!r}", told, None)


def _told(log: EventLog, label: str, rows: Tensor) -> Iterator[str]:
    """Warnings about one label."""
    labels = log.columns[label][rows].double()
    for name, column, entities in _features(log):
        entity = rows if entities is None else entities[rows]
        if isinstance(column, Codes):
            told = _by_groups(column.rows[entity], labels)
        elif isinstance(column, Bag):
            told = _by_presence(column, entity, labels)
        else:
            values = column.values[entity]
            told = max(_by_groups(_levels(values), labels), _by_size(values, labels))
        if told > TELLS:
            how = "AUC" if _binary(labels) else "share of variance"
            yield (
                f"{name} predicts the label {label!r}: {how} {told:.4f} on {len(rows):,} training "
                "rows; remove it if it is not known before the event"
            )


def _binary(labels: Tensor) -> bool:
    return bool(((labels == 0) | (labels == 1)).all())


def _by_groups(groups: Int[Tensor, " rows"], labels: Float[Tensor, " rows"]) -> float:
    """AUC or share of variance of the mean label of the other rows in the same group."""
    counts = torch.bincount(groups)[groups]
    sums = torch.bincount(groups, labels)[groups]
    others = ((sums - labels) / (counts - 1).clamp(min=1)).where(counts > 1, labels.mean())
    if _binary(labels):
        return _area(others, labels)
    return 1 - float((labels - others).square().sum() / (labels - labels.mean()).square().sum())


def _by_size(values: Float[Tensor, " rows"], labels: Float[Tensor, " rows"]) -> float:
    """AUC of a numeric feature, in the better direction; rows where it is unknown are left out."""
    known = ~values.isnan()
    if not _binary(labels) or not _enough(labels[known]):
        return 0.0
    area = _area(values[known].double(), labels[known])
    return max(area, 1 - area)


def _by_presence(bag: Bag, entities: Int[Tensor, " rows"], labels: Float[Tensor, " rows"]) -> float:
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
        return float(areas.max()) if width else 0.0
    between = (total - having * mean).square() * (1 / having.clamp(min=1) + 1 / (rows - having).clamp(min=1))
    return float(between.max() / (labels - mean).square().sum()) if width else 0.0


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
