from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
import torch
from hypothesis import given
from tests.rankings import Ranking, clipped, rankings
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from motet.index.places import places
from motet.metrics import BothRanks, Dot, Pairs, both_ranks
from motet.metrics.ranks import COMPARE
from motet.metrics.scorers import NaNScoreError, Scorer

module = import_module("motet.index.places")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("MANY", 1), ("EACH", 2), ("suits", lambda _: True)):
        monkeypatch.setattr(module, name, value)


@given(case=rankings())
def test_they_are_the_ranks_up_to_k(case: Ranking) -> None:
    score, positives, exclude, within, ties = case
    found = places(score, positives, exclude=exclude, within=within, ties=ties)
    whole = both_ranks(score, positives, candidates=len(score.candidates), exclude=exclude, ties=ties)
    for every, some in zip(clipped(whole, within), found, strict=True):
        assert torch.equal(every, some)


def test_only_what_is_too_close_is_ranked_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Pairs] = []

    def recorded(score: Scorer, positives: Pairs, **settings: Any) -> BothRanks:
        assert "within" not in settings  # which looks for contenders, and all of these are
        asked.append(positives)
        return both_ranks(score, positives, **settings)

    monkeypatch.setattr(module, "both_ranks", recorded)
    generator = torch.Generator().manual_seed(1)
    user, item = (torch.randn(size, 8, generator=generator) for size in (50, 200))
    item[7] = item[3]
    each = torch.arange(50)
    user += item[each + 100]
    user[:5] = 9 * item[3]  # of which two are equally good
    liked = torch.where(each < 5, 3, each + 100)
    places(Dot(user, item), Pairs(each, liked), exclude=Pairs(each[:0], each[:0]), within=20)
    assert asked[0].queries.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("ties", sorted(COMPARE))
def test_infinite_scores_of_finite_vectors_tie(ties: str) -> None:
    user, item = torch.full((40, 8), 1e20), torch.randn(100, 8, generator=torch.Generator().manual_seed(3)) / 1e20
    item[20:23] = 1e20
    each = torch.arange(40)
    nobody = Pairs(each[:0], each[:0])
    found = places(Dot(user, item), Pairs(each, each), exclude=nobody, within=5, ties=ties)  # type: ignore[arg-type]
    assert found.left[20:23].tolist() == 3 * [{"pessimistic": 3, "average": 2, "optimistic": 1}[ties]]


def test_one_user_who_had_nearly_everything_costs_the_others_no_memory() -> None:
    largest = 0

    class Sizes(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal largest
            found = func(*args, **(kwargs or {}))
            largest = max([largest, *(part.numel() for part in tree_leaves(found) if isinstance(part, Tensor))])
            return found

    size = 4000
    item = torch.randn(size, 8, generator=torch.Generator().manual_seed(4))
    each = torch.arange(size)
    with Sizes():
        places(Dot(item, item), Pairs(each, each), exclude=Pairs(each * 0, each), within=1)
    assert largest < size * size


@pytest.mark.parametrize("side", ["user", "item"])
def test_nan_is_refused_by_name(side: str) -> None:
    vectors = {name: torch.randn(40, 8, generator=torch.Generator().manual_seed(2)) for name in ("user", "item")}
    vectors[side][11] = torch.nan
    each = torch.arange(40)
    wrong = "query 11 and candidate 0" if side == "user" else "query 0 and candidate 11"
    with pytest.raises(NaNScoreError, match=f"the score of {wrong} is NaN"):
        places(Dot(vectors["user"], vectors["item"]), Pairs(each, each), exclude=Pairs(each[:0], each[:0]), within=2)
