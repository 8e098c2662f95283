"""Numbers as vectors."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from motet.layers import NumberEmbedding, Standardise

NAN = float("nan")


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=2, max_size=20))
def test_known_values_get_mean_0_and_deviation_1(values: list[float]) -> None:
    assume(max(values) - min(values) > 1)
    standardise = Standardise()
    standardise.fit(torch.tensor([*values, NAN]))
    scaled = standardise(torch.tensor(values)).double()
    assert abs(scaled.mean().item()) < 1e-2
    assert abs(scaled.std(correction=0).item() - 1) < 1e-2


@pytest.mark.parametrize("dtype", [torch.int64, torch.float64])
def test_times_keep_their_distances(dtype: torch.dtype) -> None:
    standardise = Standardise()
    times = torch.arange(1_700_000_000, 1_700_003_600, 60, dtype=dtype)
    standardise.fit(times)
    scaled = standardise(times)
    assert scaled.dtype == torch.float32
    torch.testing.assert_close(scaled.diff(), scaled.diff().mean().expand(59), rtol=1e-4, atol=0)
    assert abs(scaled.mean().item()) < 1e-5


def test_times_keep_their_mean_in_a_model_of_another_type() -> None:
    standardise = Standardise()
    standardise.fit(torch.tensor([1_700_000_001, 1_700_000_003]))
    for part in (standardise.float(), standardise.double().float(), standardise.bfloat16().float()):
        assert part(torch.tensor([1_700_000_003])).tolist() == [1.0]
        assert part.std.dtype == torch.float32


def test_unknown_is_the_mean() -> None:
    standardise = Standardise()
    standardise.fit(torch.tensor([1.0, NAN, 5.0]))
    assert standardise(torch.tensor([NAN, 3.0])).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("values", [[7.0, 7.0, NAN], [7.0]])
def test_no_spread(values: list[float]) -> None:
    standardise = Standardise()
    standardise.fit(torch.tensor(values))
    assert standardise(torch.tensor([7.0, 9.0])).tolist() == [0.0, 2.0]


def test_nothing_known_changes_nothing() -> None:
    standardise = Standardise()
    standardise.fit(torch.tensor([NAN]))
    assert standardise(torch.tensor([7.0])).tolist() == [7.0]
    standardise.fit(torch.tensor([1.0, 3.0]))
    assert standardise(torch.tensor([3.0])).tolist() == [1.0]


def test_first_final_fit_stays_even_after_saving() -> None:
    standardise = Standardise()
    standardise.fit(torch.tensor([100.0, 300.0]), final=False)
    standardise.fit(torch.tensor([1.0, 3.0]))
    twin = Standardise()
    twin.load_state_dict(standardise.state_dict())
    twin.fit(torch.tensor([5.0, 50.0]))
    assert twin(torch.tensor([3.0])).tolist() == [1.0]


def test_number_embedding_is_linear_with_a_vector_for_the_unknown() -> None:
    embedding = NumberEmbedding(3)
    embedding.fit(torch.tensor([10.0, 20.0]))
    slope, missing = embedding.weight
    vectors = embedding(torch.tensor([15.0, 20.0, 35.0, NAN]))
    torch.testing.assert_close(vectors, torch.stack([0 * slope, slope, 4 * slope, missing]))


def test_numbers_in_double_precision_give_vectors_in_single() -> None:
    assert NumberEmbedding(3)(torch.tensor([1.0, NAN], dtype=torch.float64)).dtype == torch.float32


def test_start_is_within_the_scale() -> None:
    weight = NumberEmbedding(5_000, init_scale=0.3).weight
    assert 0.29 < weight.abs().max() <= 0.3
    assert math.isclose(weight.mean().item(), 0, abs_tol=0.01)
