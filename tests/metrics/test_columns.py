from __future__ import annotations

import math

import pytest
import torch

from motet.errors import DataError
from motet.metrics.columns import counted, joined, same_shape, weighted


@pytest.mark.parametrize("weight", [-1.0, math.nan])
def test_bad_weight_is_refused(weight: float) -> None:
    with pytest.raises(DataError, match=f"the weight of row 1 is {weight}; weights must be 0 or more"):
        weighted(torch.ones(2), torch.tensor([1.0, weight]))


def test_column_against_table_is_refused() -> None:
    with pytest.raises(DataError, match=r"scores have shape \[3\] and labels \[3, 1\]; both must be \[rows\]: squeeze"):
        same_shape("scores", torch.ones(3), "labels", torch.ones(3, 1))


@pytest.mark.parametrize("values", [[1.0, math.nan], [math.inf, -math.inf, math.nan]])
def test_a_value_that_is_not_known_is_refused_although_every_row_counts(values: list[float]) -> None:
    with pytest.raises(DataError, match=f"row {len(values) - 1} has a score or a label that is NaN"):
        weighted(torch.tensor(values), None)


def test_infinities_of_both_signs_are_values() -> None:
    values = torch.tensor([math.inf, -math.inf], dtype=torch.float64)
    assert torch.equal(weighted(values, None)[0], values)


def test_rows_of_weight_0_are_no_rows() -> None:
    values, weights = torch.arange(4.0), torch.tensor([1.0, 0.0, 2.0, 0.0])
    kept, counts = weighted(values, weights)
    assert kept.tolist() == [0, 2]
    assert counts.tolist() == [1, 2]
    assert values[counted(weights)].tolist() == [0, 2]


def test_where_all_rows_count_nothing_is_copied() -> None:
    values = torch.ones(3, dtype=torch.float64)
    assert weighted(values, values + 1)[0].data_ptr() == values[counted(values)].data_ptr() == values.data_ptr()
    assert values[counted(None)].data_ptr() == values.data_ptr()


def test_columns_in_parts_are_those_of_the_whole() -> None:
    whole = (torch.arange(5.0), torch.arange(5))
    assert joined([whole])[0].data_ptr() == whole[0].data_ptr()
    parts = [tuple(column[:2] for column in whole), tuple(column[2:] for column in whole)]
    assert all(torch.equal(a, b) for a, b in zip(joined(parts), whole, strict=True))
