"""The sections about one training: what was trained on what, how good it is, and for whom."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from motet.compare.comparison import SERVED, Estimate
from motet.metrics.direction import lower_is_better
from motet.project.tables import as_toml
from motet.report import charts
from motet.report.blocks import Block, Code, Facts, Figure, Figures, Section, Table, Text
from motet.report.calibration import calibration
from motet.report.examples import examples
from motet.report.formatting import interval, named, number, spoken
from motet.report.history import learning_curves
from motet.report.record import Lead, Record
from motet.report.runs import Training

BEYOND = ("coverage", "gini", "novelty", "popularity_lift", "diversity")
MEANINGS = (
    "coverage: share of the catalogue that appears in at least one list.",
    "gini: how unevenly items are shown, from 0 (all equally often) to 1 (always the same).",
    "novelty: mean surprise of a recommended item in bits; rare items carry more.",
    "popularity_lift: how much more popular the lists are than the users' own histories; 0 means equally popular.",
    "diversity: how different the items of one list are; 0 means all alike.",
)
FEW = 10  # users below which a figure may be chance


def sections(name: str, training: Training) -> Iterator[Section]:
    """The sections about a saved model.

    Args:
        name: Name of its folder.
        training: Contents of the folder.

    Yields:
        Sections; one without data has no blocks.
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
        preferred = "preference" in record.parts
        yield from learning_curves(histories, record.headlines, name=name, title="Training", preference=preferred)
    if training.recommender is not None:
        yield from examples(training.recommender, title="Ten users")


def verdict(record: Record) -> list[str]:
    """Whether the model beats the systems it was compared with.

    Args:
        record: Record of the model.

    Returns:
        Sentences; none if there is no other system.
    """
    leads = {task: _leads(record, task) for task in record.headlines}
    known = [each for each in leads.values() if each]
    if not known:
        return []
    won = sum(all(lead.outcome == "better" for lead in each) for each in known)
    first = f"On test rows the model beats every other system in {won} of {len(known)} headline metrics."
    return [first, *(_sentence(record, strongest) for strongest, *_ in known)]


def _leads(record: Record, task: str) -> list[Lead]:
    """The comparisons with the other systems, the best of them first."""
    found = [lead for lead in record.leads if lead.task == task and not math.isnan(lead.difference.value)]
    return sorted(found, key=lambda lead: lead.difference.value * (-1 if lower_is_better(lead.key) else 1))


def _sentence(record: Record, lead: Lead) -> str:
    own, other = record.figures[lead.key], record.beside[lead.system][lead.key]
    outcome = {"better": "better than", "worse": "worse than", "undecided": "no clear difference from"}[lead.outcome]
    return (
        f"{spoken(lead.key)} is {number(own.value)}: {outcome} {number(other.value)} of {lead.system}, the best other "
        f"system ({record.level:.0%} interval of the difference: {interval(lead.difference)})."
    )


def _told(record: Record, training: Training) -> Iterator[Block]:
    facts = {"project": record.name, "split": record.about or "The whole log, none held out."}
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
    facts |= {
        "epochs": str(len(record.history)),
        "training time": f"{sum(row['seconds'] for row in record.history):,.1f} s",
    }
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
    title = f"Test rows, with {record.level:.0%} intervals over users; headline metrics in bold"
    yield Table(title, ["metric", "the model", "interval", *beside], rows, own=own)
    yield Text([note for note in record.notes if not record.about or record.about not in note], tone="note")


def _beside(record: Record, key: str, name: str) -> Figure:
    systems = {"the model": record.figures, **record.beside}
    rows = [
        _line(system, figures[key], own=system == "the model") for system, figures in systems.items() if key in figures
    ]
    return Figure(named(name, "figure", key), spoken(key), charts.intervals(rows, key))


def _slices(record: Record, name: str) -> Iterator[Section]:
    figures, rules, faint = [], dict[str, None](), dict[str, None]()
    for key in record.headlines.values():
        parts = {place: found[key] for place, found in record.slices.items() if key in found}
        rows = [_line("all rows", record.figures[key], own=True)]
        rows += [
            {**_line(place, part.figure, own=False), "rows": part.rows, "users": part.users, "faint": part.users < FEW}
            for place, part in parts.items()
        ]
        faint |= dict.fromkeys(place for place, part in parts.items() if part.users < FEW)
        known = dict.fromkeys(rule for part in parts.values() for rule in part.beside)
        places = {place: part.beside for place, part in parts.items()}
        places["all rows"] = {rule: each[key].value for rule, each in record.beside.items() if rule in known}
        beside = [
            {"name": place, "rule": rule, "value": value}
            for place, found in places.items()
            for rule, value in found.items()
        ]
        rules |= known
        if parts:
            figures.append(Figure(named(name, "slices", key), spoken(key), charts.intervals(rows, key, beside)))
    if figures:
        text = [
            "New users and items have no training rows; rare ones are the quarter with the fewest, heavy users and "
            "popular items the quarter with the most. Visited: the user had this very item in training."
        ]
        if rules:
            text.append(f"Ticks show simple rules on the same rows: {', '.join(rules)}.")
        if faint:
            text.append(f"Faint ones were measured on fewer than {FEW} users, and may be chance: {', '.join(faint)}.")
        yield Section("For whom it works", [Figures(figures), Text(text, tone="note")])


def _beyond(record: Record) -> Iterator[Section]:
    keys = [key for key in record.figures if _is_beyond(key)]
    beside = {system: figures for system, figures in record.beside.items() if any(key in figures for key in keys)}
    rows = [
        [key.rsplit("/", 1)[-1], number(record.figures[key].value)]
        + [number(figures[key].value) if key in figures else "" for figures in beside.values()]
        for key in keys
    ]
    if rows:
        table = Table("Metrics of the lists that users get", ["metric", "the model", *beside], rows)
        yield Section("Beyond accuracy", [table, Text(MEANINGS, tone="note")])


def _is_beyond(key: str) -> bool:
    return key.startswith(f"{SERVED}/") and key.rsplit("/", 1)[-1].split("@")[0] in BEYOND


def _line(name: str, estimate: Estimate, *, own: bool) -> dict[str, object]:
    return {"name": name, "value": estimate.value, "low": estimate.low, "high": estimate.high, "own": own}
