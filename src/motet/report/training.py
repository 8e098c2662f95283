"""The sections about one training: what was trained on what, how good it is, and where."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from motet.compare.comparison import Estimate
from motet.metrics.direction import lower_is_better
from motet.project.document import as_toml
from motet.report import charts
from motet.report.blocks import (
    Block,
    Code,
    Facts,
    Figure,
    Figures,
    Section,
    Table,
    Text,
    interval,
    named,
    number,
    spoken,
)
from motet.report.calibration import calibration
from motet.report.examples import examples
from motet.report.history import trained
from motet.report.record import Lead, Record
from motet.report.runs import Training

SERVED = "served/"  # lists that users get: accuracy, and what lies beyond it
BEYOND = ("coverage", "gini", "novelty", "popularity_lift", "diversity")
MEANINGS = (
    "coverage: share of the catalogue that somebody is shown. gini: 0 where all items are shown equally often, 1 where "
    "one takes it all. novelty: bits of surprise an item carries, more for a rare one. popularity_lift: how much more "
    "popular the list is than a user's own history, 0 for as popular. diversity: how far apart the items of a list "
    "are, 0 where all are alike."
)


def sections(name: str, training: Training) -> Iterator[Section]:
    """What there is to say of a saved model.

    Args:
        name: Of its folder.
        training: What the folder holds.

    Yields:
        Sections; those without data are left out.
    """
    record = training.record
    if record is not None:
        yield Section("What was trained", list(_told(record, training)))
        if record.figures:
            yield Section("How good it is", list(_figures(record, name)))
            yield from _slices(record, name)
            yield from _beyond(record)
        yield from calibration(record.curves, name=name, title="Calibration")
        histories = {"the model": [record.history]}
        yield from trained(histories, record.headlines, name=name, title="Training")
    if training.recommender is not None:
        yield from examples(training.recommender, title="Ten users")


def verdict(record: Record) -> list[str]:
    """Whether the model beats what it has to beat.

    Args:
        record: Of the model.

    Returns:
        Sentences; none where nothing stands beside the model.
    """
    leads = {task: _strongest(record, task) for task in record.headlines}
    known = {task: lead for task, lead in leads.items() if lead is not None}
    if not known:
        return []
    won = [task for task, lead in known.items() if lead.outcome == "better"]
    many = f"{len(won)} of {len(known)} headline figures"
    first = f"The model beats everything it was held against in {many}, on test rows."
    return [first, *(_sentence(record, lead) for lead in known.values())]


def _strongest(record: Record, task: str) -> Lead | None:
    """The model beside the best of the other systems."""
    found = [lead for lead in record.leads if lead.task == task and not math.isnan(lead.difference.value)]
    if not found:
        return None
    sign = -1 if lower_is_better(found[0].key) else 1
    return min(found, key=lambda lead: sign * lead.difference.value)


def _sentence(record: Record, lead: Lead) -> str:
    own, other = record.figures[lead.key], record.beside[lead.system][lead.key]
    outcome = {"better": "better than", "worse": "worse than", "undecided": "not to be told apart from"}[lead.outcome]
    return (
        f"{spoken(lead.key)} is {number(own.value)}: {outcome} the {number(other.value)} of {lead.system}, the best "
        f"beside it (difference {interval(lead.difference)}, {record.level:.0%} interval over users)."
    )


def _told(record: Record, training: Training) -> Iterator[Block]:
    facts = {"project": record.name, "rows": record.about or "All of the log, none held out."}
    facts |= {
        f"{part} rows": f"{rows.events:,} events of {rows.users:,} users and {rows.items:,} items"
        for part, rows in record.rows.items()
    }
    if training.recommender is not None:
        facts |= _schema(training.recommender.log.schema.columns, training)
    facts["tasks"] = ", ".join(
        f"{task} ({kind}, weight {record.weights.get(task, 1):g})" for task, kind in record.tasks.items()
    )
    facts |= record.parts
    facts |= {"epochs": str(len(record.history)), "seconds": number(sum(row["seconds"] for row in record.history))}
    facts["seed"] = str(record.seed)
    facts["versions"] = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    yield Facts(facts)
    if record.tables:
        yield Code("The project as declared", as_toml(record.tables))


def _schema(columns: Sequence[str], training: Training) -> dict[str, str]:
    assert training.recommender is not None
    log = training.recommender.log
    found = {"columns": ", ".join(columns)}
    for name, features in (("user features", log.schema.user_features), ("item features", log.schema.item_features)):
        if features:
            found[name] = ", ".join(f"{each} ({type(kind).__name__})" for each, kind in features.items())
    return found


def _figures(record: Record, name: str) -> Iterator[Block]:
    beside = record.beside
    keys = [key for key in record.figures if not _is_beyond(key) and not math.isnan(record.figures[key].value)]
    rows = []
    for key in keys:
        others = (f"{number(other[key].value)}" if key in other else "" for other in beside.values())
        rows.append([spoken(key), number(record.figures[key].value), interval(record.figures[key]), *others])
    own = [place for place, key in enumerate(keys) if key in record.headlines.values()]
    yield Figures([_beside(record, key, name) for key in record.headlines.values()])
    title = f"Test rows, with {record.level:.0%} intervals over users; what speaks for a task is marked"
    yield Table(title, ["figure", "the model", "interval", *beside], rows, own=own)
    yield Text([note for note in record.notes if not record.about or record.about not in note], tone="note")


def _beside(record: Record, key: str, name: str) -> Figure:
    systems = {"the model": record.figures, **record.beside}
    rows = [
        _line(system, figures[key], own=system == "the model") for system, figures in systems.items() if key in figures
    ]
    return Figure(named(name, "figure", key), spoken(key), charts.intervals(rows, key))


def _slices(record: Record, name: str) -> Iterator[Section]:
    figures = []
    for key in record.headlines.values():
        rows = [_line("all rows", record.figures[key], own=True)]
        for place, parts in record.slices.items():
            if key in parts:
                part = parts[key]
                rows.append({**_line(place, part.figure, own=False), "rows": part.rows, "users": part.users})
        if len(rows) > 1:
            figures.append(Figure(named(name, "slices", key), spoken(key), charts.intervals(rows, key)))
    if figures:
        text = (
            "Rare users and items are the quarter with the fewest training rows, heavy and popular ones the quarter "
            "with the most, new ones have none. Visited: the user had the very item in training."
        )
        yield Section("For whom it works", [Figures(figures), Text([text], tone="note")])


def _beyond(record: Record) -> Iterator[Section]:
    keys = [key for key in record.figures if _is_beyond(key)]
    beside = {system: figures for system, figures in record.beside.items() if any(key in figures for key in keys)}
    rows = [
        [key.rsplit("/", 1)[-1], number(record.figures[key].value)]
        + [number(figures[key].value) if key in figures else "" for figures in beside.values()]
        for key in keys
    ]
    if rows:
        table = Table("Of the lists that users get", ["figure", "the model", *beside], rows)
        yield Section("Beyond accuracy", [table, Text([MEANINGS], tone="note")])


def _is_beyond(key: str) -> bool:
    return key.startswith(SERVED) and key.rsplit("/", 1)[-1].split("@")[0] in BEYOND


def _line(name: str, estimate: Estimate, *, own: bool) -> dict[str, object]:
    return {"name": name, "value": estimate.value, "low": estimate.low, "high": estimate.high, "own": own}
