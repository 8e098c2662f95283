"""suggest: the tables of a first project file, from the guessed roles of the columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import polars as pl

from motet.data.grammar import column_name
from motet.data.schema import Feature
from motet.data.table import Table
from motet.project.guess import Guess
from motet.project.profile import Profile

UNWANTED = re.compile(
    r"return|refund|dislike|hate|remove|delete|skip|hide|block|mute|reject|cancel|complain|report|spam|downvote"
    r"|thumbs?_?down|not_?interested|unlike|unfollow|unsubscribe|uninstall"
)
SHOWN = re.compile(r"impression|exposure|shown|display")
STRONG = re.compile(r"purchase|buy|bought|order|paid|checkout")
MOST = 4  # most retrieval tasks for kinds of events
TEST = 0.2  # share of test rows
FEW = 20  # a label with at most this many values needs all of them in training
MISTAKES = 0.01  # most rows of a stage in which the stage before is not set
ENOUGH = 10  # fewest events of a kind that gets a task

Tables = dict[str, Any]


def suggest(found: Guess, events: Table, data: Mapping[str, str]) -> Tables:
    """The tables of a first project file.

    Args:
        found: The guessed roles of the columns.
        events: The log.
        data: Paths as they go into the file.

    Returns:
        The tables; with `recommend` if a task predicts what speaks against an item, which is to move it down, and with
        `offered` if there are several kinds of events or signals of 0 and 1, so that items which a user only viewed, or
        was only shown, may be recommended again.
    """
    schema: Tables = {role: found.roles[role] for role in ("user", "item", "time", "event") if role in found.roles}
    schema["signals"] = list(found.signals)
    for side, features in found.features.items():
        if features:
            schema[f"{side}_features"] = {name: _kind(kind) for name, kind in features.items()}
    tower = {"kind": "FeatureTower", "dim": 32, "dropout": 0.2}
    context = {"kind": "ContextTower", "context": list(found.features["context"])} if found.features["context"] else {}
    tasks = _distinct(list(_tasks(found, events)))
    rated = any(task["kind"] == "Rating" for task in tasks)
    weights = {task["name"]: 10 for task in tasks if rated and task["kind"] == "Retrieval"}
    return {
        "data": dict(data),
        "schema": schema,
        "split": _split(found, events),
        "towers": {"user": {**tower, **context}, "item": dict(tower)},
        "tasks": tasks,
        "weights": weights,
        "balancer": {"kind": "Fixed"},
        "training": {"epochs": 10, "batch_size": 4096, "optimizer": {"kind": "Adam", "lr": 0.01}, "seed": 0},
        **_recommend(tasks, weights),
        **_offered(found, tasks),
    }


def _split(found: Guess, events: Table) -> Tables:
    """By time if the users of the last rows occur in earlier ones, else the last row of each user.

    At random if there are no times, or if these splits would leave some label without training rows.
    """
    random = {"kind": "random", "test": TEST, "seed": 0}
    if "time" not in found.roles:
        return random
    user, time = found.roles["user"], found.roles["time"]
    labels = [*found.signals, *([found.roles["event"]] if "event" in found.roles else [])]
    rows = events.frame.select(user, time, *labels).sort(time, maintain_order=True).collect()
    early, late = rows.head(cut := round(len(rows) * (1 - TEST))), rows.tail(len(rows) - cut)
    if late[user].is_in(early[user].unique().implode()).sum() * 2 >= len(late):
        return {"kind": "by_time", "test": TEST} if _says_all(early, rows, labels) else random
    before = rows.filter(pl.int_range(pl.len()).over(user) < pl.len().over(user) - 1)
    return {"kind": "leave_last_out", "n": 1} if _says_all(before, rows, labels) else random


def _says_all(part: pl.DataFrame, rows: pl.DataFrame, labels: list[str]) -> bool:
    """Whether some of the rows have every value of the labels with few values, and any value of the others."""
    for name in labels:
        values = rows[name].drop_nulls()
        if not part[name].count() or (values.n_unique() <= FEW and part[name].n_unique() < rows[name].n_unique()):
            return False
    return len(part) > 0


def _kind(kind: Feature) -> Any:
    """A kind of feature: its name, or a table if it has settings other than the defaults."""
    settings = {name: value for name, value in asdict(kind).items() if value != getattr(type(kind)(), name)}
    return {"kind": type(kind).__name__, **settings} if settings else type(kind).__name__


def _tasks(found: Guess, events: Table) -> Iterator[Tables]:
    columns = [found.columns[name] for name in found.signals]
    if "event" in found.roles:
        yield from _of_events(found.roles["event"], events)
        for column in columns:
            where = _where(found.roles["event"], column, events)
            if _many(column):
                yield _rating(column, where)
            elif len(column.values) > 1:
                yield {"kind": "Event", "label": column.name, **({} if where is None else {"where": where})}
        return
    named = [column for column in columns if column.sayable]
    against = [f"{column_name(column.name)} < 0" for column in named if column.against]
    yield from _of_signals([column for column in named if column.binary and 1 in column.values], against, events)
    yield from (_rating(column, None) for column in columns if _many(column))


def _of_events(event: str, events: Table) -> Iterator[Tables]:
    """Retrieval for the most frequent kinds of positive events; negative kinds, such as returns, are its negatives."""
    series = events.column(event)
    coded = series.dtype.is_integer()
    counts = dict((series if coded else series.cast(pl.String)).value_counts(sort=True).iter_rows())
    unwanted = [value for value in counts if UNWANTED.search(str(value).lower())]
    rest = [value for value in counts if value not in unwanted]
    wanted = [value for value in rest if not SHOWN.search(str(value).lower())] or rest or list(counts)
    unwanted = [value for value in unwanted if value not in wanted]
    frequent = [value for value in wanted if counts[value] >= ENOUGH] or wanted[:1]
    kept = sorted(frequent, key=lambda value: not STRONG.search(str(value).lower()))[:MOST]
    strongest = next((value for value in kept if STRONG.search(str(value).lower())), min(kept, key=counts.__getitem__))
    for value in (each for each in frequent if each in kept):
        task = _retrieval(_name(f"{event} {value}" if coded else value), f"{column_name(event)} == {value!r}")
        if value == strongest and unwanted:
            task["negatives"] = " or ".join(f"{column_name(event)} == {each!r}" for each in unwanted)
        yield task


def _recommend(tasks: list[Tables], weights: Mapping[str, int]) -> Tables:
    """The weights of the losses, negative for the probability of what speaks against an item."""
    by: dict[str, int] = {}
    for task in tasks:
        name = task["name"] if "name" in task else task["label"]
        against = task["kind"] == "Event" and UNWANTED.search(name.lower())
        by[name] = -1 if against else weights.get(name, 1)
    return {"recommend": {"by": by}} if min(by.values(), default=1) < 0 else {}


def _offered(found: Guess, tasks: list[Tables]) -> Tables:
    """Items with the strongest signal or kind of event are left out; items with weaker ones come first.

    A row of a log without kinds of events may say that an item was shown, and no more: those may come again.
    """
    kinds = [task for task in tasks if task["kind"] == "Retrieval" and "positives" in task]
    if not kinds or ("event" in found.roles and len(kinds) == 1):
        return {}
    strongest = next((task for task in kinds if STRONG.search(task["positives"].lower())), kinds[-1])
    weaker = [task["positives"] for task in kinds if task is not strongest]
    first = {"kind": "Touched", "where": " or ".join(weaker), "by": strongest["name"]}
    stages = {"retrieve": [first, strongest["name"]]} if weaker else {}
    return {"offered": {"seen": strongest["positives"], **stages}}


def _of_signals(signals: list[Profile], against: list[str], events: Table) -> Iterator[Tables]:
    """Retrieval for each binary signal, and its probability where both values occur: as a funnel if they form one.

    Rows of an unwanted signal, and rows that meet a condition of `against`, are never positives of the strongest one.
    """
    unwanted = [column.name for column in signals if UNWANTED.search(column.name.lower())]
    wanted = [column for column in signals if column.name not in unwanted]
    against = [*(f"{column_name(name)} == 1" for name in unwanted), *against]
    strongest = next((each for each in wanted if STRONG.search(each.name.lower())), wanted[-1] if wanted else None)
    if not wanted:
        yield _apart(_retrieval("retrieval", None), against)
    for column in wanted:
        task = _retrieval(f"find_{_name(column.name)}", f"{column_name(column.name)} == 1")
        yield _apart(task, against) if column is strongest else task
    answered = [column.name for column in signals if len(column.values) > 1]
    chain, where = _chain(answered, events)
    if chain:
        last = [name for name in chain if name not in unwanted][-1:]
        stage = {"stage": last[0]} if last and last != chain[-1:] else {}
        yield {"kind": "Funnel", "name": "funnel", "stages": chain, **stage, **where}
    yield from ({"kind": "Event", "label": name} for name in answered if name not in chain)


def _apart(task: Tables, against: list[str]) -> Tables:
    """A retrieval with the rows that speak against an item as negatives; no row pulls and pushes."""
    if not against:
        return task
    positives = [*([task["positives"]] if "positives" in task else []), *(f"not ({each})" for each in against)]
    return {**task, "positives": " and ".join(positives), "negatives": " or ".join(against)}


def _chain(names: list[str], events: Table) -> tuple[list[str], Tables]:
    """Signals that are 1 only where the previous one is 1, and known where it is 0; none if fewer than two.

    A few rows may contradict that: a condition leaves them out.
    """
    rows = events.frame.select(pl.col(names).cast(pl.Float64)).collect()
    chain: list[str] = []
    wrong: list[str] = []
    for name in sorted(names, key=lambda each: rows[each].sum(), reverse=True):
        if chain:
            skipped = (pl.col(chain[-1]) == 0) & (pl.col(name) == 1)
            contradict = len(rows.filter(skipped))
            if contradict > MISTAKES * float(rows[name].sum()) or not rows.filter(pl.col(chain[-1]) == 0)[name].count():
                continue
            if contradict:
                wrong.append(f"not ({column_name(chain[-1])} == 0 and {column_name(name)} == 1)")
                rows = rows.filter(~skipped.fill_null(value=False))
        chain.append(name)
    return (chain, {"where": " and ".join(wrong)} if wrong else {}) if len(chain) > 1 else ([], {})


def _distinct(tasks: list[Tables]) -> list[Tables]:
    """Tasks with distinct names: a task whose name is taken by a label, an earlier task or a report is renamed."""
    taken = {"served", *(task["label"] for task in tasks if "label" in task)}
    for task in tasks:
        if "name" in task:
            wanted, number = task["name"], 1
            while task["name"] in taken:
                number += 1
                task["name"] = f"find_{wanted}" if number == 2 else f"{wanted}_{number}"
            taken.add(task["name"])
    return tasks


def _retrieval(name: str, positives: str | None) -> Tables:
    chosen = {} if positives is None else {"positives": positives}
    return {"kind": "Retrieval", "name": name, **chosen, "item_bias": True}


def _rating(column: Profile, where: str | None) -> Tables:
    chosen = {} if where is None else {"where": where}
    return {"kind": "Rating", "label": column.name, **chosen, "hidden": [64], "biases": True}


def _many(column: Profile) -> bool:
    """Whether a signal has values other than 0 and 1."""
    return not column.binary and column.distinct > 1


def _where(event: str, column: Profile, events: Table) -> str | None:
    """A condition for the kinds of events that have a signal; None if all have it."""
    known = events.frame.group_by(event).agg(pl.col(column.name).is_not_null().any().alias("known")).collect()
    kinds = sorted(known.filter("known")[event].to_list())
    if len(kinds) == len(known):
        return None
    return f"{column_name(event)} == {kinds[0]!r}" if len(kinds) == 1 else f"{column_name(event)} in {kinds!r}"


def _name(value: str) -> str:
    return re.sub(r"\W+", "_", value.strip().lower()).strip("_") or "event"
