from __future__ import annotations

from functools import partial

import pytest
import torch
from hypothesis import given
from tests.rankings import Ranking, clipped, draw, rankings
from torch import Tensor

from motet.errors import ConfigError
from motet.metrics import Dot, Pairs, both_ranks, ranks
from motet.metrics.contenders import FEWEST, FREE, contenders
from motet.metrics.ranks import Ties
from motet.metrics.scorers import NaNScoreError, Scorer

BLOCK = (16, 2)


def table(scores: Tensor) -> Scorer:
    return lambda rows, columns: scores[rows][:, columns]


def same(score: Scorer, positives: Pairs, exclude: Pairs, within: int, candidates: int, ties: Ties) -> None:
    rank = partial(both_ranks, score, positives, candidates=candidates, exclude=exclude, ties=ties, block=BLOCK)
    for every, some in zip(clipped(rank(), within), rank(within=within), strict=True):
        assert torch.equal(every, some)


@given(case=rankings(fewest=50))
def test_ranks_within_k_are_the_ranks_up_to_k(case: Ranking) -> None:
    same(case.score, case.positives, case.exclude, case.within, len(case.score.candidates), case.ties)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_any_precision_and_infinite_scores(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(1)
    scores = torch.randn(64, 80, generator=generator).to(dtype)
    scores[::3, ::7], scores[1::3, ::5] = torch.inf, -torch.inf
    same(table(scores), draw(generator, 200, 64, 80), draw(generator, 100, 64, 80), 5, 80, "average")


def test_whole_numbers() -> None:
    generator = torch.Generator().manual_seed(7)
    scores = torch.randint(-9, 9, (64, 80), generator=generator)
    same(table(scores), draw(generator, 200, 64, 80), draw(generator, 100, 64, 80), 5, 80, "average")


def test_no_rank_within_k_is_lost_where_the_best_candidates_are_excluded() -> None:
    scores = torch.arange(100.0).expand(64, -1)
    each, best = torch.arange(64), torch.arange(60, 100)
    exclude = Pairs(each.repeat_interleave(40), best.repeat(64))
    found = ranks(table(scores), Pairs(each, each * 0 + 59), candidates=100, exclude=exclude, within=1, block=BLOCK)
    assert (found == 1).all()


@pytest.mark.parametrize("within", [1, 5])
def test_no_rank_within_k_is_lost_where_large_products_cancel(within: int) -> None:
    generator = torch.Generator().manual_seed(5)
    user, item = torch.randn(64, 16, generator=generator), torch.randn(1, 16, generator=generator)
    score = Dot(torch.cat([user, user], 1), torch.cat([item, -item], 1).expand(600, -1))  # 0, but for rounding
    positives = Pairs(torch.arange(64), torch.randint(600, (64,), generator=generator))
    same(score, positives, draw(generator, 0, 64, 600), within, 600, "optimistic")


def test_room_covers_every_order_of_additions() -> None:
    generator = torch.Generator().manual_seed(6)
    user, item = torch.randn(20, 3, 100, generator=generator), torch.randn(50, 100, generator=generator)
    user, item = user.exp(), item * item.exp()
    whole = Dot(user, item)
    order = torch.randperm(100, generator=generator)
    rows, columns = torch.arange(20), torch.arange(50)
    one, other = whole(rows, columns).double(), Dot(user[..., order], item[:, order])(rows, columns).double()
    exact = Dot(user.double(), item.double())(rows, columns)
    room = whole.room(rows)[:, None] / 4  # of a gap of two scores, both of which are computed twice
    assert (one != other).any()
    assert ((one - exact).abs() <= room).all()
    assert ((other - exact).abs() <= room).all()
    assert (room < 1e-4 * exact.abs().amax()).all()


@pytest.mark.usefixtures("bfloat16_products")
def test_no_rank_within_k_is_lost_where_float32_is_multiplied_in_bfloat16() -> None:
    generator = torch.Generator().manual_seed(8)
    user, item = (1 + torch.randn(size, 64, generator=generator) / 1000 for size in (64, 400))
    positives = draw(generator, 64, 64, 400)
    true = ranks(Dot(user.double(), item.double()), positives, candidates=400)
    settings = {"candidates": 400, "exclude": draw(generator, 0, 64, 400), "within": 10, "block": (64, 10)}
    for score in (Dot(user, item), lambda rows, columns: user[rows] @ item[columns].T):
        may = contenders(score, positives, **settings)  # type: ignore[arg-type]
        assert (true[~may] > 10).all()


@pytest.mark.parametrize("value", [1e30, torch.inf, torch.nan])
def test_room_is_not_finite_where_a_score_may_not_be(value: float) -> None:
    item = torch.ones(3, 2)
    item[1, 0] = value
    assert not Dot(torch.full((4, 2), 1e10), item).room(torch.arange(4)).isfinite().any()


def counting(score: Scorer) -> tuple[Scorer, list[int]]:
    cells = []

    def counted(rows: Tensor, columns: Tensor) -> Tensor:
        cells.append(len(rows) * len(columns))
        return score(rows, columns)

    return counted, cells


def test_most_candidates_of_hopeless_queries_are_not_scored() -> None:
    generator = torch.Generator().manual_seed(2)
    user, item = (torch.randn(size, 16, generator=generator) for size in (2048, 16384))
    score, cells = counting(Dot(user, item))
    positives = Pairs(torch.arange(2048), torch.randint(16384, (2048,), generator=generator))
    found = ranks(score, positives, candidates=16384, within=10, block=(1024, 128))
    assert torch.equal(found <= 10, ranks(Dot(user, item), positives, candidates=16384) <= 10)
    assert sum(cells) < 0.2 * user.shape[0] * item.shape[0]


def test_the_fewest_blocks_are_enough_to_give_up_queries() -> None:
    score, each = table(torch.arange(float(FEWEST)).expand(64, -1)), torch.arange(64)
    settings = {"candidates": FEWEST, "exclude": Pairs(each[:0], each[:0]), "within": 1, "block": (64, 1)}
    assert not contenders(score, Pairs(each, each * 0), **settings).any()  # type: ignore[arg-type]


def test_no_block_is_scored_once_every_query_is_given_up() -> None:
    score, cells = counting(table(torch.arange(100.0).expand(64, -1)))
    each = torch.arange(64)
    assert ranks(score, Pairs(each, each * 0), candidates=100, within=1, block=(64, 1)).isinf().all()
    assert 0 not in cells


def test_little_is_lost_on_a_model_that_is_right() -> None:
    item = torch.nn.functional.normalize(torch.randn(16384, 16, generator=torch.Generator().manual_seed(3)))
    each = torch.arange(1024)
    score, cells = counting(Dot(item[:1024], item))
    settings = {"candidates": 16384, "exclude": Pairs(each[:0], each[:0]), "within": 10, "block": (1024, 64)}
    assert contenders(score, Pairs(each, each), **settings).all()  # type: ignore[arg-type]
    assert sum(cells) < 1024 * 16384 * (2 * FREE + 0.1)


@pytest.mark.parametrize("sampled", [True, False])
def test_nan_is_refused_by_name(sampled: bool) -> None:
    scores = torch.randn(64, 80, generator=torch.Generator().manual_seed(4))
    query = 0 if sampled else 5
    scores[query] = torch.nan
    each = torch.arange(64)
    with pytest.raises(NaNScoreError, match=f"the score of query {query} and candidate 0 is NaN"):
        ranks(table(scores), Pairs(each, each), candidates=80, within=3, block=BLOCK)


def test_candidate_of_nan_scores_is_refused_even_if_no_query_is_left() -> None:
    scores = torch.arange(80.0).expand(64, -1).clone()
    scores[:, 70] = torch.nan
    each = torch.arange(64)
    with pytest.raises(NaNScoreError, match="candidate 70 is NaN"):
        ranks(table(scores), Pairs(each, each * 0), candidates=80, within=3, block=BLOCK)


def test_no_positive_has_no_rank() -> None:
    none = torch.zeros(0, dtype=torch.long)
    assert ranks(table(torch.zeros(4, 4)), Pairs(none, none), candidates=4, within=2).shape == (0,)


def test_ranks_within_none_are_refused() -> None:
    each = torch.arange(2)
    with pytest.raises(ConfigError, match="within=0; the first rank is 1"):
        ranks(table(torch.zeros(2, 2)), Pairs(each, each), candidates=2, within=0)
