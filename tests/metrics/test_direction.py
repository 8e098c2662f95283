from __future__ import annotations

import pytest

from motet.metrics.direction import lower_is_better


@pytest.mark.parametrize("key", ["rmse", "rating/rmse", "rating/mae", "shop/buy/log_loss", "click/ece"])
def test_errors_and_losses_are_better_low(key: str) -> None:
    assert lower_is_better(key)


@pytest.mark.parametrize("key", ["retrieval/unseen/hit_rate@10", "mrr", "click/auc", "rmse/unseen/ndcg@10"])
def test_everything_else_is_better_high(key: str) -> None:
    assert not lower_is_better(key)
