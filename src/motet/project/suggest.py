"""suggest: the tables of a project file, from what the columns of a log were taken for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import polars as pl

from motet.data.schema import Feature
from motet.data.table import Table
from motet.project.guess import Guess
from motet.project.kinds import offered
from motet.project.profile import Profile
from motet.tasks import Task

UNWANTED = re.compile(r"return|refund|dislike|remove|skip|hide|complain|unsubscribe|report|downvote")
SHOWN = re.compile(r"impression|exposure|shown|display")
STRONG = re.compile(r"purchase|buy|bought|order|paid|checkout")
MOST = 4  # retrieval tasks for kinds of events
TEST = 0.2  # share of the rows that judge
ENOUGH = 10  # events of a kind that is worth a task

Tables = dict[str, Any]


def suggest(found: Guess, events: Table, data: Mapping[str, str]) -> Tables:
    """The tables of a first project file.

    Args:
        found: What the columns are taken for.
        events: The log.
        data: Paths, as the file shall have them.

    Returns:
        Tables as TOML would give them.
    """
    schema: Tables = {role: found.roles[role] for role in ("user", "item", "time", "event") if role in found.roles}
    schema["signals"] = list(found.signals)
    for side in ("user", "item"):
        if found.features[side]:
            schema[f"{side}_features"] = {name: _kind(kind) for name, kind in found.features[side].items()}
    tower = {"kind": "FeatureTower", "dim": 32, "dropout": 0.2}
    tasks = list(_tasks(found, events))
    rated = any(task["kind"] == "Rating" for task in tasks)
    return {
        "data": dict(data),
        "schema": schema,
        "split": _split(found, events),
        "towers": {"user": dict(tower), "item": dict(tower)},
        "tasks": tasks,
        "weights": {task["name"]: 10 for task in tasks if rated and task["kind"] == "Retrieval"},
        "balancer": {"kind": "Fixed"},
        "training": {"epochs": 10, "batch_size": 4096, "optimizer": {"kind": "Adam", "lr": 0.01}, "seed": 0},
    }


def _split(found: Guess, events: Table) -> Tables:
    """By time, where the last rows are of users that the earlier ones know; else the last row of each user."""
    random = {"kind": "random", "test": TEST, "seed": 0}
    if "time" not in found.roles:
        return random
    user, time = found.roles["user"], found.roles["time"]
    users = events.frame.select(user, time).sort(time).collect()[user]
    cut = round(len(users) * (1 - TEST))
    if users[cut:].is_in(users[:cut].unique().implode()).sum() * 2 >= len(users) - cut:
        return {"kind": "by_time", "test": TEST}
    return {"kind": "leave_last_out", "n": 1} if users.n_unique() < len(users) else random


def _kind(kind: Feature) -> Any:
    """A kind of feature: its name, or a table where it has settings other than the defaults."""
    settings = {name: value for name, value in asdict(kind).items() if value != getattr(type(kind)(), name)}
    return {"kind": type(kind).__name__, **settings} if settings else type(kind).__name__


def _tasks(found: Guess, events: Table) -> Iterator[Tables]:
    columns = [found.columns[name] for name in found.signals]
    if "event" in found.roles:
        yield from _of_events(found.roles["event"], events)
        yield from (
            _rating(column, _where(found.roles["event"], column, events)) for column in columns if _many(column)
        )
        return
    named = [column for column in columns if column.name.isidentifier()]
    yield from _of_signals([column for column in named if column.binary and 1 in column.values])
    yield from (_rating(column, None) for column in columns if _many(column))


def _of_events(event: str, events: Table) -> Iterator[Tables]:
    """Retrieval for the most frequent kinds of events that are wanted; what is unwanted pushes away."""
    counts = dict(events.column(event).cast(pl.String).value_counts(sort=True).iter_rows())
    unwanted = [value for value in counts if UNWANTED.search(value.lower())]
    wanted = [value for value in counts if value not in unwanted and not SHOWN.search(value.lower())]
    if not wanted:
        wanted, unwanted = list(counts), []
    frequent = [value for value in wanted if counts[value] >= ENOUGH] or wanted[:1]
    kept = sorted(frequent, key=lambda value: not STRONG.search(value.lower()))[:MOST]
    strongest = next((value for value in kept if STRONG.search(value.lower())), min(kept, key=counts.__getitem__))
    for value in (each for each in frequent if each in kept):
        task = _retrieval(_name(value), f"{event} == {value!r}")
        if value == strongest and unwanted:
            task["negatives"] = " or ".join(f"{event} == {each!r}" for each in unwanted)
        yield task


def _of_signals(signals: list[Profile]) -> Iterator[Tables]:
    """Retrieval for each yes, and the chance of a yes where both answers are known."""
    unwanted = [column.name for column in signals if UNWANTED.search(column.name.lower())]
    wanted = [column for column in signals if column.name not in unwanted]
    if not wanted:
        yield _retrieval("retrieval", None)
    strongest = next((each for each in wanted if STRONG.search(each.name.lower())), wanted[-1] if wanted else None)
    for column in wanted:
        task = _retrieval(f"find_{_name(column.name)}", f"{column.name} == 1")
        if column is strongest and unwanted:
            task["negatives"] = " or ".join(f"{name} == 1" for name in unwanted)
        yield task
    if "Event" in offered(Task):
        yield from ({"kind": "Event", "label": each.name} for each in signals if len(each.values) > 1)


def _retrieval(name: str, positives: str | None) -> Tables:
    chosen = {} if positives is None else {"positives": positives}
    return {"kind": "Retrieval", "name": name, **chosen, "item_bias": True}


def _rating(column: Profile, where: str | None) -> Tables:
    chosen = {} if where is None else {"where": where}
    return {"kind": "Rating", "label": column.name, **chosen, "hidden": [64], "biases": True}


def _many(column: Profile) -> bool:
    """Whether a signal says more than yes and no."""
    return not column.binary and column.distinct > 1


def _where(event: str, column: Profile, events: Table) -> str | None:
    """The kinds of events that a signal speaks of, where these are not all."""
    known = events.frame.group_by(event).agg(pl.col(column.name).is_not_null().any().alias("known")).collect()
    kinds = sorted(known.filter("known")[event].cast(pl.String).to_list())
    if len(kinds) == len(known):
        return None
    return f"{event} == {kinds[0]!r}" if len(kinds) == 1 else f"{event} in {kinds!r}"


def _name(value: str) -> str:
    return re.sub(r"\W+", "_", value.strip().lower()).strip("_") or "event"
