from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from motet.compare.pareto import hypervolume, pareto_front
from motet.errors import ConfigError

Points = list[tuple[int, ...]]
GRID = 5  # figures are 0 to 5, so that a volume is a count of unit cells


@st.composite
def cases(draw: st.DrawFn) -> tuple[Points, list[bool]]:
    objectives = draw(st.integers(1, 4))
    figures = st.tuples(*[st.integers(0, GRID)] * objectives)
    return draw(st.lists(figures, max_size=8)), draw(st.lists(st.booleans(), min_size=objectives, max_size=objectives))


def tensor(points: Points, objectives: int) -> torch.Tensor:
    return torch.tensor(points, dtype=torch.float64).reshape(len(points), objectives)


def beats(a: float, b: float, lower: bool) -> bool:
    return a < b if lower else a > b


@given(cases())
def test_front_is_what_nothing_dominates(case: tuple[Points, list[bool]]) -> None:
    points, lower = case
    expected = []
    for point in points:
        rivals = [
            other
            for other in points
            if any(beats(a, b, less) for a, b, less in zip(other, point, lower, strict=True))
            and not any(beats(b, a, less) for a, b, less in zip(other, point, lower, strict=True))
        ]
        expected.append(not rivals)
    assert pareto_front(tensor(points, len(lower)), lower=lower).tolist() == expected


@given(cases())
def test_hypervolume_counts_the_cells_that_some_point_covers(case: tuple[Points, list[bool]]) -> None:
    points, lower = case
    reference = [GRID if less else 0 for less in lower]
    cells = 0
    for cell in itertools.product(range(GRID), repeat=len(lower)):
        corners = [GRID - 1 - at if less else at + 1 for at, less in zip(cell, lower, strict=True)]
        cells += any(
            all(not beats(corner, figure, less) for corner, figure, less in zip(corners, point, lower, strict=True))
            for point in points
        )
    found = hypervolume(tensor(points, len(lower)), torch.tensor(reference).double(), lower=lower)
    assert found == pytest.approx(cells)


@given(cases())
def test_dominated_points_add_no_volume(case: tuple[Points, list[bool]]) -> None:
    points, lower = case
    every = tensor(points, len(lower))
    reference = torch.tensor([GRID if less else 0 for less in lower]).double()
    kept = every[pareto_front(every, lower=lower)]
    assert hypervolume(every, reference, lower=lower) == pytest.approx(hypervolume(kept, reference, lower=lower))


def test_points_that_do_not_beat_the_reference_add_nothing() -> None:
    reference = torch.tensor([1.0, 0.5])
    points = torch.tensor([[1.2, 0.9], [0.9, 0.4], [float("nan"), 0.9]])
    assert hypervolume(points, reference, lower=[True, False]) == 0
    assert pareto_front(points, lower=[True, False]).tolist() == [True, True, False]


def test_each_objective_needs_a_direction() -> None:
    with pytest.raises(
        ConfigError, match="lower has 1 values for 2 objectives; give one each: whether lower is better"
    ):
        pareto_front(torch.zeros(3, 2), lower=[True])
