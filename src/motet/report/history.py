"""History: losses, shares of the gradient and validation metrics by epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from motet.report import charts
from motet.report.blocks import Figure, Figures, Section, Text
from motet.report.formatting import named, spoken

Epochs = Sequence[Mapping[str, float]]
Point = dict[str, object]
SHARE, COSINE = "gradient/", "cosine/"
DRAWN = (
    "Losses and shares of a model with a preference are weighted as it was drawn for each batch, and vary with it; "
    "validation metrics are those of the model's own weights."
)


def learning_curves(
    histories: Mapping[str, Sequence[Epochs]],
    headlines: Mapping[str, str],
    *,
    name: str,
    title: str,
    preference: bool,
) -> Iterator[Section]:
    """The curves of one training, or of several systems in the same charts.

    Args:
        histories: The epochs of each seed, by system.
        headlines: Key of the headline metric, by task.
        name: Prefix of the names of the chart files.
        title: Title of the section.
        preference: Whether a model was trained with a preference.

    Yields:
        One section, or none if no history was kept.
    """
    columns = sorted({key for each in histories.values() for key in _keys(each)})
    figures = [
        _figure(f"{name}-{key}", f"Loss of {key[5:]}", {system: (each, key) for system, each in histories.items()})
        for key in columns
        if key.startswith("loss/")
    ]
    joint = next((each for each in histories.values() if any(key.startswith(SHARE) for key in _keys(each))), [])
    shares = {key.removeprefix(SHARE): (joint, key) for key in columns if key.startswith(SHARE)}
    figures.append(_figure(f"{name}-gradient", "Share of the gradient, by task", shares, "share", (0, 1)))
    pairs = {" and ".join(key.split("/")[1:]): (joint, key) for key in columns if key.startswith(COSINE)}
    figures.append(_figure(f"{name}-cosine", "Cosine between the gradients of two tasks", pairs, "cosine", (-1, 1)))
    for key in headlines.values():
        seen = {system: (each, f"validation/{key}") for system, each in histories.items()}
        figures.append(
            _figure(f"{name}-validation-{key}", f"{spoken(key)}, on validation rows", seen, charts.better(key))
        )
    found = [figure for figure in figures if figure is not None]
    if found:
        yield Section(title, [Figures(found), *([Text([DRAWN], tone="note")] if preference else [])])


def _keys(histories: Sequence[Epochs]) -> set[str]:
    return {key for epochs in histories for epoch in epochs for key in epoch}


def _figure(
    name: str,
    title: str,
    series: Mapping[str, tuple[Sequence[Epochs], str]],
    unit: str = "loss",
    domain: tuple[float, float] | None = None,
) -> Figure | None:
    """One chart; None if no epoch has a value."""
    rows = [point for told, (histories, key) in series.items() for point in _points(told, histories, key)]
    return Figure(named(name), title, charts.curves(rows, unit, domain=domain)) if rows else None


def _points(series: str, histories: Sequence[Epochs], key: str) -> Iterator[Point]:
    """Mean, lowest and highest value over the seeds, by epoch."""
    by_epoch: dict[int, list[float]] = {}
    for epochs in histories:
        for epoch in epochs:
            value = epoch.get(key, math.nan)
            if math.isfinite(value):
                by_epoch.setdefault(int(epoch["epoch"]), []).append(value)
    for number, values in sorted(by_epoch.items()):
        mean = sum(values) / len(values)
        yield {"series": series, "epoch": number, "value": mean, "low": min(values), "high": max(values)}
