from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from motet.errors import ConfigError, DataError
from motet.metrics import Dot, Pairs, both_ranks, ranks
from motet.metrics.ranks import COMPARE, FEW
from motet.metrics.scorers import Scorer


def table(scores: Tensor) -> Scorer:
    return lambda rows, columns: scores[rows][:, columns]


def reference(scores: Tensor, positives: Pairs, ties: str, exclude: set[tuple[int, int]]) -> list[float]:
    found = []
    for query, item in zip(*(column.tolist() for column in positives), strict=True):
        own = scores[query, item]
        others = [s for i, s in enumerate(scores[query]) if i != item and (query, i) not in exclude]
        better, equal = sum(bool(s > own) for s in others), sum(bool(s == own) for s in others)
        found.append(1 + better + equal * {"pessimistic": 1, "optimistic": 0, "average": 0.5}[ties])
    return found


@given(
    seed=st.integers(0, 999),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 11)),
    count=st.integers(0, 30),
    block=st.tuples(st.integers(1, 5), st.integers(1, 6)),
    ties=st.sampled_from(sorted(COMPARE)),
    removed=st.none() | st.integers(0, 40),
)
def test_rank_is_what_a_loop_counts(
    seed: int, shape: tuple[int, int], count: int, block: tuple[int, int], ties: str, removed: int | None
) -> None:
    generator = torch.Generator().manual_seed(seed)

    def draw(n: int) -> Pairs:
        return Pairs(*(torch.randint(size, (n,), generator=generator) for size in shape))

    scores = torch.randint(4, shape, generator=generator).float()
    positives, exclude = draw(count), None if removed is None else draw(removed)
    found = ranks(table(scores), positives, candidates=shape[1], exclude=exclude, ties=ties, block=block)
    pairs = set() if exclude is None else set(zip(*(column.tolist() for column in exclude), strict=True))
    assert found.tolist() == reference(scores, positives, ties, pairs)
    if exclude is not None:
        both = both_ranks(table(scores), positives, candidates=shape[1], exclude=exclude, ties=ties, block=block)
        assert both.whole.tolist() == reference(scores, positives, ties, set())
        assert torch.equal(both.left, found)


@pytest.mark.parametrize("ties", sorted(COMPARE))
def test_many_queries_with_several_positives_each(ties: str) -> None:
    generator = torch.Generator().manual_seed(4)
    scores = torch.randint(6, (3 * FEW, 20), generator=generator).float()
    positives, exclude = (
        Pairs(*(torch.randint(size, (count,), generator=generator) for size in scores.shape)) for count in (900, 700)
    )
    found = ranks(table(scores), positives, candidates=20, exclude=exclude, ties=ties)  # type: ignore[arg-type]
    pairs = set(zip(*(column.tolist() for column in exclude), strict=True))
    assert found.tolist() == reference(scores, positives, ties, pairs)


def test_what_is_excluded_and_no_candidate_counts_for_nothing() -> None:
    positives, zero = Pairs(torch.tensor([1]), torch.tensor([2])), torch.zeros(3, dtype=torch.long)
    exclude = Pairs(torch.tensor([2, 1, 1]), zero - 1), Pairs(torch.tensor([1, 0, 7]), zero + 4)
    for some in exclude:
        assert ranks(table(torch.zeros(3, 4)), positives, candidates=4, exclude=some).tolist() == [4]


def test_what_a_scorer_gives_is_left_as_it_was() -> None:
    scores = torch.randn(5, 12, generator=torch.Generator().manual_seed(5))
    before, each = scores.clone(), torch.arange(5)
    ranks(lambda *_: scores, Pairs(each, each), candidates=12, exclude=Pairs(each, each + 1))
    assert torch.equal(scores, before)


def test_excluded_positive_keeps_its_place_and_leaves_the_rankings_of_others() -> None:
    scores = torch.tensor([[4.0, 3.0, 2.0, 1.0]])
    positives = Pairs(torch.tensor([0, 0]), torch.tensor([1, 3]))
    exclude = Pairs(torch.tensor([0, 0]), torch.tensor([0, 1]))
    assert ranks(table(scores), positives, candidates=4, exclude=exclude).tolist() == [1, 2]


def test_best_of_several_heads_counts() -> None:
    queries = torch.tensor([[[3.0, 2, 1], [1, 2, 3]], [[2, 3, 4], [4, 3, 2]]])
    candidates = torch.tensor([[0.0, 1, 0], [0, 1, 1], [1, 1, 0]])
    rows = torch.arange(2)
    assert Dot(queries, candidates)(rows, torch.arange(3)).tolist() == [[2, 5, 5], [3, 7, 7]]
    found = ranks(Dot(queries, candidates), Pairs(rows, torch.tensor([1, 1])), candidates=3, ties="average")
    assert found.tolist() == [1.5, 1.5]


@pytest.mark.parametrize("shift", [-3.0, 0.5])
def test_shifting_the_scores_of_a_query_leaves_its_ranks(shift: float) -> None:
    scores = torch.randint(8, (6, 20), generator=torch.Generator().manual_seed(0)).float()
    positives = Pairs(torch.arange(6), torch.arange(6) * 3)
    shifted = scores + shift * torch.arange(6)[:, None]
    before, after = (ranks(table(s), positives, candidates=20) for s in (scores, shifted))
    assert torch.equal(before, after)


def test_permuting_the_positives_permutes_their_ranks() -> None:
    generator = torch.Generator().manual_seed(1)
    score = Dot(torch.randn(50, 8, generator=generator), torch.randn(300, 8, generator=generator))
    positives = Pairs(torch.randint(50, (200,), generator=generator), torch.randint(300, (200,), generator=generator))
    order = torch.randperm(200, generator=generator)
    permuted = ranks(score, Pairs(*(column[order] for column in positives)), candidates=300, block=(16, 64))
    assert torch.equal(permuted, ranks(score, positives, candidates=300, block=(16, 64))[order])


def test_perfect_model_never_loses_against_its_own_rounding() -> None:
    vectors = torch.nn.functional.normalize(torch.randn(3000, 33, generator=torch.Generator().manual_seed(2)))
    positives = Pairs(torch.arange(3000), torch.arange(3000))
    assert (ranks(Dot(vectors, vectors), positives, candidates=3000) == 1).all()


def test_constant_model_comes_last_first_or_in_the_middle() -> None:
    positives = Pairs(torch.arange(3), torch.arange(3))
    found = {
        ties: ranks(table(torch.ones(3, 5)), positives, candidates=5, ties=ties).unique().item() for ties in COMPARE
    }
    assert found == {"pessimistic": 5, "optimistic": 1, "average": 3}


def test_scores_that_depend_on_the_shape_of_a_block_are_read_from_the_block() -> None:
    def rounded(rows: Tensor, columns: Tensor) -> Tensor:
        return torch.arange(8.0)[columns].expand(len(rows), -1) + 0.25 * (len(columns) == 4)

    positives = Pairs(torch.arange(2), torch.tensor([1, 7]))
    assert ranks(rounded, positives, candidates=8, block=(2, 4)).tolist() == [7, 1]


def test_infinite_scores_have_ranks() -> None:
    scores = torch.tensor([[torch.inf, 1.0, -torch.inf, 0.0]])
    positives = Pairs(torch.zeros(4, dtype=torch.long), torch.arange(4))
    assert ranks(table(scores), positives, candidates=4, block=(1, 2)).tolist() == [1, 2, 4, 3]


@pytest.mark.parametrize("column", [0, 5])
def test_nan_is_refused_by_name(column: int) -> None:
    scores = torch.zeros(3, 6)
    scores[1, column] = torch.nan
    with pytest.raises(DataError, match=f"the score of query 1 and candidate {column} is NaN, which has no rank"):
        ranks(table(scores), Pairs(torch.arange(3), torch.zeros(3, dtype=torch.long)), candidates=6, block=(3, 2))


@pytest.mark.usefixtures("unchecked_types")
def test_unknown_tie_rule_is_refused() -> None:
    none = torch.zeros(0, dtype=torch.long)
    with pytest.raises(ConfigError, match=r"ties='pesimistic' is not one of .*; did you mean 'pessimistic'"):
        ranks(table(torch.zeros(1, 1)), Pairs(none, none), candidates=1, ties="pesimistic")  # type: ignore[arg-type]


@pytest.mark.parametrize("item", [-1, 3])
def test_positive_outside_the_candidates_is_refused(item: int) -> None:
    positives = Pairs(torch.tensor([0]), torch.tensor([item]))
    with pytest.raises(DataError, match=f"positive {item} is not a candidate; candidates are 0 to 2"):
        ranks(table(torch.zeros(1, 3)), positives, candidates=3)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("ties", sorted(COMPARE))
def test_excluded_scores_of_any_sign_and_precision(dtype: torch.dtype, ties: str) -> None:
    scores = torch.tensor([[-torch.inf, -2.0, -1.0, -1e-40, -0.0, 0.0, 1e-40, 1.0, 2.0, torch.inf]], dtype=dtype)
    each, zero = torch.arange(10), torch.zeros(10, dtype=torch.long)
    positives, exclude = Pairs(zero, each), Pairs(zero[::2], each[::2])
    found = ranks(table(scores), positives, candidates=10, exclude=exclude, ties=ties)  # type: ignore[arg-type]
    assert found.tolist() == reference(scores, positives, ties, {(0, item) for item in range(0, 10, 2)})


def test_whole_numbers_beyond_single_precision_do_not_tie() -> None:
    scores = torch.arange(2**40, 2**40 + 5)[None]
    zero = torch.zeros(4, dtype=torch.long)
    found = ranks(table(scores), Pairs(zero[:1], zero[:1] + 2), candidates=5, exclude=Pairs(zero, zero + 1))
    assert found.tolist() == [3]


def test_counts_are_exact_in_low_precision() -> None:
    scores = torch.zeros(2, 3001, dtype=torch.bfloat16)
    scores[:, 7] = -1
    found = ranks(table(scores), Pairs(torch.arange(2), torch.tensor([7, 8])), candidates=3001, block=(2, 2000))
    assert found.tolist() == [3001, 3000]


def test_vectors_that_are_being_learned_can_be_ranked() -> None:
    vectors = torch.nn.Parameter(torch.eye(3))
    assert ranks(Dot(vectors, vectors), Pairs(torch.arange(3), torch.arange(3)), candidates=3).tolist() == [1, 1, 1]


def test_scores_of_smaller_and_larger_blocks_share_memory_and_nothing_else() -> None:
    generator = torch.Generator().manual_seed(6)
    queries, candidates = torch.randn(5, 2, 4, generator=generator), torch.randn(9, 4, generator=generator)
    score, whole = Dot(queries, candidates), (queries @ candidates.T).amax(1)
    for rows, columns in (
        (torch.arange(1), torch.arange(2)),
        (torch.arange(5), torch.arange(9)),
        (torch.arange(3),) * 2,
    ):
        torch.testing.assert_close(score(rows, columns), whole[rows][:, columns])
    assert score(torch.zeros(0, dtype=torch.long), torch.arange(9)).shape == (0, 9)
