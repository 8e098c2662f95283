"""The sections about a sweep: what one objective costs in another."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations

import torch

from motet.compare.pareto import pareto_front
from motet.compare.sweep_result import Sweep
from motet.compare.trial import Trial
from motet.metrics.direction import lower_is_better
from motet.report import charts
from motet.report.blocks import Block, Figure, Figures, Section, Table, Text
from motet.report.formatting import named, number, spoken

MOST = 3  # objectives whose pairs are drawn


def sections(name: str, found: Sweep) -> Iterator[Section]:
    """The section about a sweep.

    Args:
        name: Name of its folder.
        found: Contents of the folder.

    Yields:
        One section.
    """
    yield Section("The trade-off", list(_blocks(name, found)))


def _blocks(name: str, found: Sweep) -> Iterator[Block]:
    front = {trial.number for trial in found.front}
    figures = [_figure(name, found, front, pair) for pair in combinations(found.objectives[:MOST], 2)]
    if figures:
        yield Figures(figures)
    done = [trial for trial in found.trials if trial.state == "done"]
    states = [trial.state for trial in found.trials]
    others = ", ".join(f"{states.count(state)} {state}" for state in ("pruned", "failed", "started") if state in states)
    drawn = (
        f" Charts show the first {MOST} of {len(found.objectives)} objectives." if len(found.objectives) > MOST else ""
    )
    told = f"{len(done)} trials were trained; {len(front)} are on the front" + (f"; {others}" if others else "")
    start = ", ".join(f"{spoken(key)} {number(figure)}" for key, figure in found.reference.items())
    volume = f"The front covers a hypervolume of {number(found.hypervolume)}, counted from {start}."
    rule = (
        "A trial is on the front if no other is at least as good in every objective and better in one; a line joins "
        "those that are so in the two objectives of a chart. Dotted lines show what simple rules reach."
    )
    yield Text([f"{told}. Metrics are those of validation rows. {rule}{drawn} {volume}"])
    settings = list(dict.fromkeys(key for trial in found.front for key in trial.settings))
    columns = ["trial", *(spoken(key) for key in found.objectives), *settings]
    rows = [
        [str(trial.number), *(number(trial.figure(key)) for key in found.objectives)]
        + [_setting(trial.settings.get(key)) for key in settings]
        for trial in sorted(found.front, key=lambda trial: trial.figure(found.objectives[0]))
    ]
    beside = [
        [name, *(number(figures.get(key, math.nan)) for key in found.objectives), *[""] * len(settings)]
        for name, figures in found.yardstick.beside.items()
        if any(key in figures for key in found.objectives)
    ]
    yield Table("Trials on the front, and simple rules", columns, [*rows, *beside], own=range(len(rows)))
    yield Text(found.yardstick.notes, tone="note")


def _figure(name: str, found: Sweep, front: set[int], keys: tuple[str, str]) -> Figure:
    known = [trial for trial in found.trials if all(key in trial.figures for key in keys)]
    places = torch.tensor([[trial.figures[key] for key in keys] for trial in known], dtype=torch.float64)
    joined = pareto_front(places.reshape(-1, 2), lower=[lower_is_better(key) for key in keys]).tolist()
    rows = [{**_point(trial, front, keys), "joined": on} for trial, on in zip(known, joined, strict=True)]
    rules = [
        {"rule": rule, **{axis: figures[key] for axis, key in zip("xy", keys, strict=True) if key in figures}}
        for rule, figures in found.yardstick.beside.items()
    ]
    title = " against ".join(map(spoken, reversed(keys)))
    return Figure(named(name, "front", *keys), title, charts.trade_off(rows, keys, rules))


def _point(trial: Trial, front: set[int], keys: tuple[str, str]) -> dict[str, object]:
    place = {"x": trial.figures[keys[0]], "y": trial.figures[keys[1]]}
    told = {key: value if isinstance(value, int | float) else str(value) for key, value in trial.settings.items()}
    where = "on the front" if trial.number in front else "dominated"
    return {**place, "trial": trial.number, "front": where, **{key: trial.figures[key] for key in keys}, **told}


def _setting(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else "" if value is None else str(value)
