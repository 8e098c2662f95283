"""Calibration: what happened beside each probability that a model gave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from motet.report import charts
from motet.report.blocks import Figure, Figures, Section, named

MASS = "/mass"  # bins of equal weight: they say more where nearly all probabilities are small


def calibration(curves: Mapping[str, Mapping[str, Any]], *, name: str, title: str) -> Iterator[Section]:
    """The reliability curves.

    Args:
        curves: As `Report.to_dict` has them.
        name: Of the files of the charts.
        title: Of the section.

    Yields:
        One section, or none where no probability was given.
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
