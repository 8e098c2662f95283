"""ALS and BPR, which implicit fits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from implicit.cpu.als import AlternatingLeastSquares
from threadpoolctl import threadpool_limits

from motet.baselines import ALS, BPR
from motet.data.log import EventLog
from motet.errors import ConfigError


def test_als_is_that_of_implicit(tastes: EventLog) -> None:
    mine = ALS(tastes, dim=5, confidence=2, regularization=3, iterations=4, seed=7)
    theirs = AlternatingLeastSquares(factors=5, alpha=2, regularization=3, iterations=4, random_state=7)
    with threadpool_limits(1, "blas"):
        theirs.fit(mine.positives.matrix("a test"), show_progress=False)
    scores = mine.scores(torch.arange(1, 61)[:, None], torch.arange(23))
    assert np.allclose(scores, (theirs.user_factors @ theirs.item_factors.T)[1:], atol=1e-5)


@pytest.mark.parametrize("build", [ALS, BPR])
def test_another_seed_another_model(build: Callable[..., ALS | BPR], tastes: EventLog) -> None:
    one, other = (build(tastes, dim=4, iterations=2, seed=seed).item_factors for seed in (0, 1))
    assert not torch.equal(one, other)


@pytest.mark.parametrize("build", [ALS, BPR])
@pytest.mark.parametrize("size", ["dim", "iterations"])
def test_sizes_below_one_are_refused(build: Callable[..., ALS | BPR], size: str, tastes: EventLog) -> None:
    with pytest.raises(ConfigError, match=f"{size}=0; it must be at least 1"):
        build(tastes, **{size: 0})
