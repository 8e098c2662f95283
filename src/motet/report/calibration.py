"""Calibration: observed frequencies beside predicted probabilities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from motet.report import charts
from motet.report.blocks import Figure, Figures, Section
from motet.report.formatting import named

MASS = "/mass"  # bins with equally many rows: they say more when nearly all probabilities are small


def calibration(curves: Mapping[str, Mapping[str, Any]], *, name: str, title: str) -> Iterator[Section]:
    """The reliability curves.

    Args:
        curves: As `Report.to_dict` gives them.
        name: Prefix of the names of the chart files.
        title: Title of the section.

    Yields:
        One section, or none if no task predicts a probability.
    """
    found = []
    for key, curve in curves.items():
        columns = ("predicted", "observed", "rows", "lower", "upper")
        bins = zip(*(curve[column] for column in columns), strict=True)
        rows = [dict(zip(columns, each, strict=True)) for each in bins]
        if key.endswith(MASS) and rows:
            place = key.removesuffix(MASS)
            found.append(Figure(named(name, "calibration", place), place.replace("/", ": "), charts.reliability(rows)))
    if found:
        yield Section(title, [Figures(found)])
