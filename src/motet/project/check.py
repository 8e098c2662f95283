"""check: whether a project can be trained, and what in it looks like a mistake, without training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import polars as pl
import torch
from torch import Tensor

from motet.balancers import DynamicWeightAverage, Fixed
from motet.data.entities import Bag, Codes, Column, Entities, Numbers
from motet.data.log import EventLog
from motet.data.mix import Mix
from motet.data.schema import Timestamp
from motet.data.table import Table
from motet.errors import MotetError
from motet.evaluation.leaks import duplicated_rows, interleaved_rows, unseen_entities
from motet.evaluation.leaky_features import leaky_features
from motet.model import Model
from motet.project.days import as_days
from motet.project.logs import ORIGIN
from motet.project.project import Project
from motet.project.rows import Divided
from motet.project.trial import SAMPLE, try_training
from motet.project.unread import unread
from motet.recommender import Recommender
from motet.retrievers import Retriever, Touched
from motet.tasks import Rating
from motet.tasks.rows import DAY_S
from motet.towers import PretrainedTower, Tower

ROW = "number of the row"
SWAMPS = 100  # times the loss of every other task
FEW = 3  # fewer values than this may all differ by chance


@dataclass(frozen=True)
class Findings:
    """The result of a check.

    Attributes:
        facts: What would be trained on which rows, one line each.
        warnings: What is allowed but probably a mistake.
        rows: By task, the number of rows it learns from and is evaluated on.
    """

    facts: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    rows: dict[str, dict[str, int]] = field(default_factory=dict)


def check(project: Project) -> Findings:
    """Check a project against its data: columns, labels, conditions, the split, and whether the parts fit together.

    Args:
        project: The project.

    Returns:
        Facts and warnings.

    Raises:
        MotetError: The error that training would raise.
    """
    log = project.log()
    rows = project.divide(log)
    model = project.model(rows.train)
    train, stopping = project.mix(model, rows), project.training.given.get("early_stopping")
    try:
        project.product(model, rows.train.take(slice(0, SAMPLE)))  # raises its errors first, as training does
        model.check(train)
        if stopping is not None:
            stopping.make().check(model, rows.validation)
        losses = _try(model, train)
        try_training(project.training, model, train)
    except MotetError as error:
        told = str(error)
        raise type(error)(told if told.startswith(project.name) else f"{project.name}: {told}") from error
    found = Findings(
        [str(log), *([rows.report] if rows.report else ["All rows are used for training; there are no test rows."])]
    )
    _look_at_mix(project, log, found)
    for side in ("user", "item"):
        _look_at_features(side, getattr(log, f"{side}s"), found)
        _look_at_vectors(side, getattr(model, side), found)
    _look_at_times(log, found)
    _look_at_events(log, found)
    _look_at_pairs(project, model, rows, found)
    _look_at_lists(project, model, rows, found)
    for name in model.tasks:
        _count(name, model, train, rows, found)
    found.facts.extend(filter(None, [unread(rows.train, model.tasks.values())]))
    _look_at_losses(model, losses, found)
    _look_at_product(project.product(model, rows.train), found)
    found.warnings.extend(leaky_features(rows.train, model.tasks.values()))
    if rows.test is not None:
        for look in (duplicated_rows, interleaved_rows, unseen_entities):
            found.warnings.extend(look(rows.test, rows.train))
    _unused(project, log, found)
    return found


def _try(model: Model, train: EventLog | Mix) -> dict[str, float]:
    """One small batch of each log through the model: the losses that training starts with."""
    model.prepare(train)
    batches = [train.take(slice(0, SAMPLE)).batch()] if isinstance(train, EventLog) else train.heads(SAMPLE)
    started: dict[str, float] = {}
    with torch.random.fork_rng(), torch.no_grad():
        for batch in batches:
            started |= {name: max(float(loss), started.get(name, 0.0)) for name, loss in model.losses(batch).items()}
    return started


def _look_at_mix(project: Project, log: EventLog, found: Findings) -> None:
    """The rows of each further log, and how many of them have users or items that the events do not."""
    for number, further in enumerate(project.document.mix, 1):
        part = log.take(log.columns[ORIGIN] == number)
        found.facts.append(f"{len(part):,} of these events come from {further.events}.")
        for side in (log.users, log.items):
            unknown = int((part.columns[side.key] == 0).sum())
            if unknown:
                found.warnings.append(
                    f"{unknown:,} of {len(part):,} rows of {further.events} have a {side.key} that does not occur in "
                    f"{project.document.data.events}"
                )


def _look_at_pairs(project: Project, model: Model, rows: Divided, found: Findings) -> None:
    """How many pairs there are, and which tasks learn from them."""
    if project.pairs is None or rows.pairs is None:
        return
    (label,), pairs = rows.pairs.schema.signals, rows.pairs.batch()
    found.facts.append(
        f"{len(pairs):,} pairs of {len(pairs.users.unique()):,} users are made from the training rows by masking "
        f"{project.pairs.given['event']!r} events; {int(pairs[label].sum()):,} are positive."
        + (
            " Held-out rows have no such label: judge what learns from it by the lists."
            if rows.test is not None
            else ""
        )
    )
    tasks = {name: task for name, task in model.tasks.items() if model.weights[name] > 0}
    if not any(label in task.columns for task in tasks.values()):
        found.warnings.append(f"no task learns from the pairs; add one that reads {label!r}, or leave [pairs] out")
    for name, task in tasks.items():
        if label not in task.columns and task.has_columns(pairs):
            found.warnings.append(
                f"task {name!r} reads no column of the events, so it learns from every pair as if it were an event; "
                "give it positives"
            )


def _look_at_lists(project: Project, model: Model, rows: Divided, found: Findings) -> None:
    """How many lists there are, and which tasks learn from their rows."""
    if project.lists is None or rows.lists is None:
        return
    lists, number = rows.lists.batch(), str(project.lists.given.get("name", "list"))
    length, users = rows.lists.together, len(lists.users.unique())
    found.facts.append(
        f"{len(lists) // length:,} lists of {length} rows are drawn from the training rows of {users:,} users."
    )
    tasks = {name: task for name, task in model.tasks.items() if model.weights[name] > 0 and task.has_columns(lists)}
    if not any(number in task.columns for task in tasks.values()):
        found.warnings.append(f'no task reads the lists; give a Listwise by = "{number}", or leave [lists] out')
    others = [repr(name) for name, task in tasks.items() if number not in task.columns]
    if others:
        found.warnings.append(
            f"the lists train {', '.join(others)} as well: their rows are drawn again from the training rows, and "
            "users whose rows fill no list count for less"
        )


def _look_at_features(side: str, entities: Entities, found: Findings) -> None:
    for name, column in entities.features.items():
        told = _odd(column, side)
        if told:
            found.warnings.append(f"{side} feature {name!r} {told}")


def _look_at_vectors(side: str, tower: Tower, found: Findings) -> None:
    """Users or items without a pretrained vector."""
    if not isinstance(tower, PretrainedTower):
        return
    without = tower.vectors[1:].isnan().any(1)
    if without.any():
        first = tower.entities.vocab.decode([1 + int(without.nonzero()[0])])[0]
        found.warnings.append(
            f"{int(without.sum()):,} of {len(without):,} {side}s, such as {first!r}, have no pretrained vector: they "
            "share a learned one"
        )


def _look_at_losses(model: Model, losses: dict[str, float], found: Findings) -> None:
    """A label of so large a scale that its squared error swamps the other tasks."""
    if not isinstance(model.balancer, Fixed | DynamicWeightAverage):  # the others weigh a loss by its scale themselves
        return
    weighed = {name: model.weights[name] * loss for name, loss in losses.items()}
    for name, loss in losses.items():
        most = max((each for other, each in weighed.items() if other != name), default=torch.inf)
        if isinstance(model.tasks[name], Rating) and loss > SWAMPS and weighed[name] > SWAMPS * most > 0:
            found.warnings.append(
                f"task {name!r} starts with a loss of {weighed[name]:.2g}, {weighed[name] / most:,.0f} times that of "
                "any other task, and decides alone what the shared vectors learn: give it a label of another scale, "
                "such as its logarithm, or divided by its standard deviation, or a weight of about "
                f"{most / loss:.0e}"
            )


def _odd(column: Column, what: str) -> str:
    """What is odd about a feature; row 0 is the unknown entity."""
    if isinstance(column, Codes):
        return _odd_codes(column.rows[1:], what)
    if isinstance(column, Bag):
        sizes = column.offsets.diff()[1:]
        if not len(column.rows):
            return f"is empty for every {what}: it says nothing"
        if len(column.vocab) == 2 and (sizes == 1).all():
            return f"is the same for every {what}: it says nothing"
        if len(column.rows) == len(column.vocab) - 1 and (sizes > 0).sum() >= FEW:
            return f"has no value that two {what}s share: it says no more than the id"
        return ""
    values = column.values[1:]
    known = values[~values.isnan()]
    if not len(known):
        return f"is not known of any {what}: it says nothing"
    return f"is the same for every {what}: it says nothing" if _constant(values) else ""


def _odd_codes(codes: Tensor, what: str) -> str:
    known = codes[codes > 0]
    if not len(known):
        return f"is not known of any {what}: it says nothing"
    different = len(known.unique())
    if different == 1 and len(known) == len(codes):
        return f"is the same for every {what}: it says nothing"
    if different == len(known) >= FEW:
        return f"is different for every {what}: it says no more than the id"
    return ""


def _look_at_times(log: EventLog, found: Findings) -> None:
    """Times that look like days, and would all be in one night of 1970."""
    schema = log.schema
    own = [name for name, kind in schema.context_features.items() if isinstance(kind, Timestamp)]
    times = {name: log.columns[name] for name in (schema.time, *own) if name is not None}
    for side in (log.users, log.items):
        features = {name: side.features[name] for name, kind in side.kinds.items() if isinstance(kind, Timestamp)}
        times |= {name: column.values for name, column in features.items() if isinstance(column, Numbers)}
    for name, values in times.items():
        if told := as_days(values[~values.isnan()]):
            found.warnings.append(
                f"column {name!r} is read as seconds since 1970, and holds what looks like days, {told}; if it counts "
                "seconds or steps, all is well"
            )


def _look_at_events(log: EventLog, found: Findings) -> None:
    """Columns of the events that are constant, or different in every row."""
    schema = log.schema
    for name in schema.signals:
        if _constant(log.columns[name]):
            found.warnings.append(
                f"signal {name!r} is {log.columns[name][0].item():g} in every row: nothing to predict"
            )
    categories = [*([] if schema.event is None else [schema.event]), *schema.context_features]
    for name in categories:
        values = log.columns[name]
        told = _odd_codes(values, "event") if name in log.vocabs else ""
        if not told and name not in log.vocabs and _constant(values):
            told = "is the same for every event: it says nothing"
        if told:
            found.warnings.append(f"column {name!r} {told}")
    for name in schema.signals:
        _look_at_contradictions(name, log, found)


def _look_at_contradictions(name: str, log: EventLog, found: Findings) -> None:
    """Rows of one user, item and moment, alike in all that is known of them, with different values of a signal."""
    schema = log.schema
    if schema.time is None or not (log.columns[schema.time] % DAY_S).any():  # on one day, values may well differ
        return
    keys = [each for each in schema.columns if each not in schema.signals]
    columns = {key: log.columns[key].numpy() for key in (*keys, name)}
    rows = (
        pl.DataFrame(columns)
        .with_row_index(ROW)
        .filter(~pl.col(name).is_nan(), *(pl.col(key) > 0 for key in (schema.user, schema.item)))
    )
    several = rows.group_by(keys).agg(pl.col(ROW), pl.col(name)).filter(pl.col(name).list.n_unique() > 1)
    if not len(several):
        return
    first = several.sort(pl.col(ROW).list.first()).row(0, named=True)
    user, item = (side.vocab.decode([first[side.key]])[0] for side in (log.users, log.items))
    values = " and ".join(f"{value:g}" for value in sorted(set(first[name])))
    found.warnings.append(
        f"{int(several[ROW].list.len().sum()):,} rows contradict each other in {name!r}: user {user!r} has item "
        f"{item!r} with {values} at one time, for example; keep one row of each user, item and time"
    )


def _constant(values: Tensor) -> bool:
    return bool(len(values) and (values == values[0]).all())


def _count(name: str, model: Model, train: EventLog | Mix, rows: Divided, found: Findings) -> None:
    """How many rows a task learns from and is evaluated on."""
    task = model.tasks[name]
    batch = train.batch()
    weights = task.training_weights(batch)
    counts = {"train": int((weights > 0).sum())}
    if rows.validation is not None:
        counts["validation"] = int((task.row_weights(rows.validation.batch()) > 0).sum())
    if rows.test is not None:
        counts["test"] = int((task.row_weights(rows.test.batch()) > 0).sum())
    found.rows[name] = counts
    kind, weight = type(task).__name__, model.weights[name]
    told = ", ".join(f"{count:,} {part} rows" for part, count in counts.items())
    found.facts.append(f"Task {name!r} ({kind}, weight {weight:g}): {told}.")
    if weight == 0:
        found.warnings.append(f"task {name!r} has weight 0: it is not trained")
    made = () if rows.pairs is None else rows.pairs.schema.signals
    for part, count in counts.items():
        if not count and (part == "train" or not set(made) & set(task.needs)):
            found.warnings.append(
                f"task {name!r} has no {part} rows" + ("" if part == "train" else ": it cannot be evaluated")
            )
    for rows_of in task.selections:
        if rows_of is not task.rows and not rows_of.weights(batch).any():
            found.warnings.append(
                f"task {name!r} has no negatives to learn from: no training row meets {str(rows_of.where)!r} with a "
                "weight above 0"
            )
    for label in task.needs:
        if label in batch and counts["train"] and _constant(batch[label][weights > 0]):
            found.warnings.append(f"task {name!r} has only one value of {label!r} to learn from: nothing to predict")


def _look_at_product(product: Recommender, found: Findings) -> None:
    """What counts as seen, where candidates come from, and which retriever finds only seen items."""
    rule, had, seen = product.retrieval.seen, product.fold_in.histories, product.seen
    if rule is not None:
        counts = f"{len(seen.items):,} of {len(had.items):,} pairs of a user and an item count as seen"
        found.facts.append(f"An item counts as seen by {rule}: {counts}.")
        if not len(seen.items):
            found.warnings.append(
                f"nothing counts as seen: no training row meets {rule}, so items that users had are recommended again"
            )
    if product.retrieval.stages:
        stages = [" and ".join(map(_named, stage)) for stage in product.retrieval.stages]
        found.facts.append(f"Candidates: {', then '.join(stages)}.")
    known = seen.keys(len(product.items))
    for retriever in product.ranker.retrievers:
        if isinstance(retriever, Touched) and torch.isin(retriever.history.keys(len(product.items)), known).all():
            found.warnings.append(
                f"{_named(retriever)} finds nothing: all of its items count as seen"
                + (", as every item a user had does; narrow this with seen" if rule is None else f" by {rule}")
            )


def _named(source: str | Retriever) -> str:
    if isinstance(source, str):
        return source
    where = source.config().get("where")
    return type(source).__name__ + (f"({where})" if where else "")


def _unused(project: Project, log: EventLog, found: Findings) -> None:
    """Columns that the schema does not use."""
    data = project.document.data
    features = {**log.schema.user_features, **log.schema.item_features}
    for written in _written(data.events, data.users, data.items):
        table = Table.open(project.path(written), "the log", wanted=(log.schema.user, log.schema.item))
        left = [name for name in table.columns if name not in log.schema.columns and name not in features]
        if left:
            found.facts.append(f"Columns of {table.name} that are not used: {', '.join(left)}.")


def _written(*paths: str | None) -> Iterator[str]:
    yield from (path for path in paths if path is not None)
