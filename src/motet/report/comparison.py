"""The sections about a comparison: a joint model beside its specialists and simple rules."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from motet.compare.comparison import Comparison, Estimate, System, Versus, speaks_of
from motet.compare.verdict import percent
from motet.project.tables import as_toml
from motet.report import charts
from motet.report.blocks import Block, Code, Facts, Figure, Figures, Section, Table, Text
from motet.report.calibration import calibration
from motet.report.formatting import interval, named, number, spoken
from motet.report.history import learning_curves


def sections(name: str, found: Comparison) -> Iterator[Section]:
    """The sections about a comparison.

    Args:
        name: Name of its folder.
        found: Contents of the folder.

    Yields:
        Sections; one without data has no blocks.
    """
    yield Section("The comparison", list(_table(name, found)))
    yield Section("What joint training gained", list(_gained(found)))
    histories = {each.name: [epochs for epochs in each.histories if epochs] for each in found.systems}
    known = {system: each for system, each in histories.items() if each}
    preferred = found.tables.get("preference") is not None
    yield from learning_curves(known, found.headlines, name=name, title="Training", preference=preferred)
    yield from calibration(found.curves, name=name, title="Calibration of the joint model")
    yield Section("What was compared", list(_told(found)))


def _table(name: str, found: Comparison) -> Iterator[Block]:
    figures = []
    for speaker, key in found.headlines.items():
        rows = [
            {"name": each.name, **each.figures[key].model_dump(), "own": each.kind == "joint"}
            for each in found.systems
            if key in each.figures and speaks_of(each.task, speaker)
        ]
        if rows:
            figures.append(Figure(named(name, "compare", key), spoken(key), charts.intervals(rows, key)))
    yield Figures(figures)
    keys = found.headlines.values()
    columns = ["system", "kind", *(column for key in keys for column in (spoken(key), "interval")), "seconds"]
    lines = [_line(each, found.headlines) for each in found.systems]
    own = [place for place, each in enumerate(found.systems) if each.kind == "joint"]
    title = f"Means over {len(found.seeds)} seeds, with {100 * found.level:g}% intervals"
    yield Table(title, columns, lines, words=2, own=own)
    yield Text(found.notes, tone="note")


def _line(system: System, headlines: Mapping[str, str]) -> list[str]:
    cells = []
    for speaker, key in headlines.items():
        known = system.figures.get(key) if speaks_of(system.task, speaker) else None
        cells += ["-", ""] if known is None else [number(known.value), interval(known)]
    seconds = [each for each in system.seconds if not math.isnan(each)]
    failed = sum(bool(error) for error in system.errors)
    time = number(sum(seconds) / len(seconds)) if seconds else "-"
    told = f" (failed on {failed} of {len(system.errors)} seeds)" if failed else ""
    return [system.name + told, system.kind, *cells, time]


def _gained(found: Comparison) -> Iterator[Block]:
    rows = [_versus(each) for each in found.versus if each.headline]
    if rows:
        columns = ["compared with", "metric", "outcome", "joint", "other", "difference", "interval", "gain", "interval"]
        yield Table("Paired differences, on the same samples of users", columns, rows, words=3)
    if found.mean_gain is not None:
        gain = f"{_percent(found.mean_gain.value)}, {_percents(found.mean_gain)}"
        yield Facts({"mean gain over the specialists": gain})
    pairs = {
        f"{a} and {b}": number(cosine)
        for place, (a, others) in enumerate(found.conflicts.items())
        for b, cosine in others.items()
        if b not in list(found.conflicts)[:place]
    }
    if pairs:
        yield Facts({f"cosine between the gradients of {pair}": cosine for pair, cosine in pairs.items()})


def _versus(each: Versus) -> list[str]:
    figures = [number(each.joint), number(each.other), number(each.difference.value), interval(each.difference)]
    return [each.system, spoken(each.key), each.outcome, *figures, _percent(each.gain.value), _percents(each.gain)]


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{percent(value)}%"


def _percents(gain: Estimate) -> str:
    return "" if math.isnan(gain.low) else f"{_percent(gain.low)} to {_percent(gain.high)}"


def _told(found: Comparison) -> Iterator[Block]:
    seeds = "; ".join(", ".join(f"{key} {value}" for key, value in each.items()) for each in found.seeds)
    versions = ", ".join(f"{name} {version}" for name, version in found.versions.items())
    yield Facts(
        {"project": found.project, "seeds": seeds, "samples of users": f"{found.draws:,}", "versions": versions}
    )
    yield Code("The project as declared", as_toml(found.tables))
