"""Days are recognised, in Excel's count and from 1970; seconds and steps are not taken for them."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
import torch

from motet.project.days import as_days


@pytest.mark.parametrize("start", [date(1899, 12, 30), date(1970, 1, 1)])
def test_the_way_to_convert_them_gives_the_date(start: date) -> None:
    days = (date(2024, 2, 29) - start).days
    told = as_days(torch.tensor([days, days + 30]))
    assert f"such as {days}, which is 2024-02-29" in told
    assert f"pl.date({start.year}, {start.month}, {start.day}) + pl.duration(days=...)" in told
    converted = pl.date(start.year, start.month, start.day) + pl.duration(days=pl.lit(days))
    assert pl.select(converted).item() == date(2024, 2, 29)


@pytest.mark.parametrize(
    "times", [[], [0.0, 1.0, 2.0], [1.0, 45292.0], [45292.0, 1.7e9], [1.7e9, 1.8e9], [-45292.0, -45291.0]]
)
def test_seconds_and_steps_are_none(times: list[float]) -> None:
    assert as_days(torch.tensor(times)) == ""
