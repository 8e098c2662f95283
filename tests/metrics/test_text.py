from __future__ import annotations

import math

import pytest

from motet.metrics.text import number


@pytest.mark.parametrize("digits", [3, 4])
def test_two_figures_that_differ_by_a_thousandth_read_differently(digits: int) -> None:
    for place in range(-9, 4 + digits - 3):
        value = 1.2345678 * 10.0**place
        told, more = number(value, digits), number(1.006 * value, digits)
        assert told != more
        assert float(told.replace(",", "")) == pytest.approx(value, rel=0.005)
        assert number(-value, digits) == f"-{told}"
        assert sum(character.isdigit() for character in told.split("e")[0].lstrip("0.")) <= digits + 1


def test_what_has_no_digits() -> None:
    assert [number(value) for value in (0.0, -0.0, math.nan, math.inf, -math.inf)] == [
        *("0.0000", "0.0000", "-", "inf", "-inf")
    ]
    assert number(123_456_789.0) == "123,456,789"
