from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from motet.errors import ConfigError
from motet.metrics import FactorizedTopK, HitRate
from motet.testing import check_metric


def rows(*values: float) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor(values, dtype=torch.float64), torch.arange(len(values))


@given(places=st.lists(st.integers(1, 30), min_size=1, max_size=20), k=st.integers(1, 30))
def test_hit_rate_is_the_share_of_hits(places: list[int], k: int) -> None:
    metric = HitRate(k)
    metric.update(*rows(*places))
    assert metric.compute() == pytest.approx(sum(place <= k for place in places) / len(places))


def test_weights_weigh() -> None:
    metric = HitRate(1)
    metric.update(*rows(1, 2), torch.tensor([3.0, 1.0]))
    assert metric.compute() == 0.75


@pytest.mark.parametrize("tfrs", [False, True])
def test_contract(tfrs: bool) -> None:
    check_metric(lambda: HitRate(3))
    check_metric(lambda: FactorizedTopK(ks=(1, 4, 9), tfrs=tfrs))


def test_each_k_is_the_hit_rate_at_k() -> None:
    metric = FactorizedTopK(ks=(10, 1, 10))
    metric.update(*rows(1, 5, 11))
    assert metric.figures("hit_rate") == {"hit_rate@1": 1 / 3, "hit_rate@10": 2 / 3}
    assert metric.compute() == 2 / 3


def test_tfrs_names_and_ties() -> None:
    metric = FactorizedTopK(tfrs=True)
    keys = [f"factorized_top_k/top_{k}_categorical_accuracy" for k in (1, 5, 10, 50, 100)]
    assert list(metric.figures("hit_rate")) == keys
    assert all(map(math.isnan, metric.figures("hit_rate").values()))
    assert metric.ties == "optimistic"
    assert FactorizedTopK().ties == "pessimistic"


def test_k_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="k=0; a list holds at least 1 item"):
        HitRate(0)


def test_no_k_is_refused() -> None:
    with pytest.raises(ConfigError, match="ks is empty; name at least one length of the list"):
        FactorizedTopK(ks=())
