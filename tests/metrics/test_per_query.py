from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, ndcg_score

from motet.errors import ConfigError
from motet.metrics import MAP, MRR, NDCG, Precision, Recall
from motet.metrics.per_query import PerQuery
from motet.testing import check_metric

KINDS: list[type[PerQuery]] = [Recall, Precision, NDCG, MRR, MAP]
LISTS = st.lists(st.sets(st.integers(1, 12), min_size=1, max_size=6), min_size=1, max_size=5)


def gain(place: int) -> float:
    return 1 / math.log2(1 + place)


REFERENCE: dict[type[PerQuery], Callable[[list[int], int], float]] = {
    Recall: lambda places, k: sum(p <= k for p in places) / len(places),
    Precision: lambda places, k: sum(p <= k for p in places) / k,
    NDCG: lambda places, k: (
        sum(gain(p) for p in places if p <= k) / sum(gain(p) for p in range(1, min(len(places), k) + 1))
    ),
    MRR: lambda places, k: 1 / places[0] if places[0] <= k else 0.0,
    MAP: lambda places, k: sum((j + 1) / p for j, p in enumerate(places) if p <= k) / min(len(places), k),
}


def collected(metric: PerQuery, lists: list[set[int]], weights: list[float] | None = None) -> float:
    ranks = torch.tensor([float(place) for places in lists for place in places], dtype=torch.float64)
    queries = torch.tensor([query for query, places in enumerate(lists) for _ in places])
    metric.update(ranks, queries, None if weights is None else torch.tensor(weights)[queries])
    return metric.compute()


@pytest.mark.parametrize("kind", KINDS)
@given(lists=LISTS, k=st.integers(1, 12))
def test_is_what_a_loop_over_users_says(kind: type[PerQuery], lists: list[set[int]], k: int) -> None:
    each = [REFERENCE[kind](sorted(places), k) for places in lists]
    assert collected(kind(k), lists) == pytest.approx(sum(each) / len(each))


@pytest.mark.parametrize("kind", KINDS)
def test_limited_is_a_fresh_metric_of_another_length(kind: type[PerQuery]) -> None:
    lists = [{1, 4, 9}, {2}, {11}]
    whole = kind(20)
    collected(whole, lists)
    assert collected(whole.limited(3), lists) == collected(kind(3), lists)
    assert (whole.depth, whole.limited(3).depth) == (20, 3)
    assert whole.compute() == collected(kind(20), lists)
    with pytest.raises(ConfigError, match="k=0"):
        whole.limited(0)


@given(places=st.sets(st.integers(1, 12), min_size=1), k=st.integers(1, 12))
def test_ndcg_is_what_scikit_learn_says(places: set[int], k: int) -> None:
    relevant = [[float(place in places) for place in range(1, 13)]]
    assert collected(NDCG(k), [places]) == pytest.approx(ndcg_score(relevant, [[-i for i in range(12)]], k=k))


@given(places=st.sets(st.integers(1, 12), min_size=1))
def test_average_precision_is_what_scikit_learn_says(places: set[int]) -> None:
    relevant = [place in places for place in range(1, 13)]
    assert collected(MAP(), [places]) == pytest.approx(average_precision_score(relevant, [-i for i in range(12)]))


@pytest.mark.parametrize("kind", KINDS)
def test_contract(kind: type[PerQuery]) -> None:
    check_metric(lambda: kind(4))


@pytest.mark.parametrize("kind", KINDS)
def test_queries_count_with_their_weight(kind: type[PerQuery]) -> None:
    lists, k = [{1, 3, 4}, {2}], 3
    first, second = (REFERENCE[kind](sorted(places), k) for places in lists)
    assert collected(kind(k), lists, [3.0, 1.0]) == pytest.approx((3 * first + second) / 4)


@pytest.mark.parametrize("kind", [NDCG, MAP, Precision, Recall])
def test_positives_of_equal_rank_do_not_share_a_place(kind: type[PerQuery]) -> None:
    metric = kind(2)
    metric.update(torch.ones(2, dtype=torch.float64), torch.zeros(2, dtype=torch.long))
    assert metric.compute() == 1


@pytest.mark.parametrize("kind", KINDS)
def test_k_below_one_is_refused(kind: type[PerQuery]) -> None:
    with pytest.raises(ConfigError, match="k=0; a list holds at least 1 item"):
        kind(0)
