"""Baselines that predict a label."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import polars as pl
import pytest
import torch

from motet.baselines import BayesianMF, BiasedMF, GlobalMean, UserItemBias
from motet.baselines.rating import RatingBaseline
from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.errors import ConfigError, DataError
from motet.tasks import Rows

FITTED = {
    "bias": UserItemBias,
    "biased MF": partial(BiasedMF, dim=2, regularization=1.0),
    "Bayesian MF": partial(BayesianMF, dim=2, iterations=30),
}


@pytest.fixture(scope="module")
def ratings() -> EventLog:
    """Users and items of some bias and one factor, half of the pairs seen; user 41 and item 31 never."""
    draw = torch.Generator().manual_seed(0)
    user, item, p, q = (torch.randn(size, generator=draw, dtype=torch.float64) for size in (40, 30, 40, 30))
    truth = 3 + 0.5 * user[:, None] + 0.3 * item + 0.7 * p[:, None] * q
    seen = (torch.rand(40, 30, generator=draw) < 0.5).nonzero()
    events = pl.DataFrame(
        {
            "user_id": (seen[:, 0] + 1).numpy(),
            "item_id": (seen[:, 1] + 1).numpy(),
            "rating": truth[seen[:, 0], seen[:, 1]].numpy(),
        }
    )
    tables = {"users": pl.DataFrame({"user_id": range(1, 42)}), "items": pl.DataFrame({"item_id": range(1, 32)})}
    return EventLog.read(events, Schema(signals=("rating",)), **tables)


def error(baseline: RatingBaseline, log: EventLog) -> float:
    batch = log.batch()
    return float((baseline.scores(batch.users, batch.items) - batch["rating"]).square().mean().sqrt())


def test_more_of_the_truth_is_found(ratings: EventLog) -> None:
    mean, bias = error(GlobalMean(ratings), ratings), error(UserItemBias(ratings), ratings)
    assert bias < 0.9 * mean
    for kind in ("biased MF", "Bayesian MF"):
        assert error(FITTED[kind](ratings), ratings) < 0.5 * bias


@pytest.mark.parametrize("kind", FITTED)
def test_who_is_unknown_is_average(kind: str, ratings: EventLog) -> None:
    baseline = FITTED[kind](ratings, clip=False)
    items = torch.arange(1, 31)
    for unknown in (0, 41):
        average = baseline.scores(torch.arange(1, 41)[:, None], items).mean(0)
        assert torch.allclose(baseline.scores(torch.tensor([[unknown]]), items)[0], average, atol=0.25)
    assert torch.equal(baseline.scores(torch.tensor(0), items), baseline.scores(torch.tensor(41), items))


@pytest.mark.parametrize("kind", FITTED)
def test_clipped_to_the_labels_of_training(kind: str, ratings: EventLog) -> None:
    users, items = torch.arange(42)[:, None], torch.arange(32)
    free, clipped = (FITTED[kind](ratings, clip=clip).scores(users, items) for clip in (False, True))
    labels = ratings.columns["rating"]
    assert torch.equal(clipped, free.clamp(labels.min(), labels.max()))


@pytest.mark.parametrize("kind", ["bias", "biased MF"])
def test_a_weight_is_a_number_of_rows(kind: str, ratings: EventLog) -> None:
    rows = torch.arange(len(ratings)) % 3
    schema = replace(ratings.schema, signals=("rating", "times"))
    weighted = replace(ratings, schema=schema, columns={**ratings.columns, "times": rows.float()})
    repeated = ratings.take(torch.arange(len(ratings)).repeat_interleave(rows))
    users, items = torch.arange(42)[:, None], torch.arange(32)
    one, other = FITTED[kind](weighted, where=Rows(weight="times")), FITTED[kind](repeated)
    assert torch.allclose(one.scores(users, items), other.scores(users, items), atol=1e-3)


def test_biases_are_those_of_ridge_regression(ratings: EventLog) -> None:
    bias = UserItemBias(ratings, user_regularization=3, item_regularization=4, clip=False)
    batch = ratings.batch()
    who = torch.nn.functional.one_hot(batch.users, 42).double()
    what = torch.nn.functional.one_hot(batch.items, 32).double()
    given, labels = torch.cat([who, what], 1), batch["rating"].double()
    strength = torch.cat([torch.full((42,), 3.0), torch.full((32,), 4.0)]).double()
    solved = torch.linalg.solve(given.T @ given + strength.diag(), given.T @ (labels - labels.mean()))
    assert torch.allclose(bias.user_bias.double(), solved[:42], atol=1e-4)
    assert torch.allclose(bias.item_bias.double(), solved[42:], atol=1e-4)


def test_no_step_makes_biased_mf_better(ratings: EventLog) -> None:
    """The last side was solved for: no change of an item's vector or bias lowers the loss."""
    model, batch = BiasedMF(ratings, dim=2, regularization=2.0, clip=False), ratings.batch()
    item = model._item.double().requires_grad_()
    predicted = model.mean + (model._user.double()[batch.users] * item[batch.items]).sum(1)
    vectors, biases = item[:, :2], item[:, 3]
    loss = (predicted - batch["rating"]).square().sum() + 2 * vectors.square().sum() + 5 * biases.square().sum()
    (gradient,) = torch.autograd.grad(loss, item)
    assert gradient[:, [0, 1, 3]].abs().max() < 1e-2


def test_bayesian_mf_is_that_of_myfm(ratings: EventLog) -> None:
    model = BayesianMF(ratings, dim=2, iterations=9, clip=False)
    draws = model._draws(2, 9, 0)
    assert len(draws) == 6
    user, item = 5, 42 + 7
    expected = np.mean([draw.w0 + draw.w[user] + draw.w[item] + draw.V[user] @ draw.V[item] for draw in draws])
    assert float(model.scores(torch.tensor(5), torch.tensor(7))) == pytest.approx(expected, rel=1e-5)


def test_bayesian_mf_says_nothing(ratings: EventLog, capfd: pytest.CaptureFixture[str]) -> None:
    BayesianMF(ratings, dim=2, iterations=3)
    assert capfd.readouterr() == ("", "")


def test_weights_for_a_sampler_are_refused(ratings: EventLog) -> None:
    with pytest.raises(ConfigError, match="BayesianMF does not support weights or a half-life of rows; give where="):
        BayesianMF(ratings, where=Rows(weight="rating"))


def test_bad_settings_are_refused(ratings: EventLog) -> None:
    with pytest.raises(ConfigError, match=r"regularization=0.0; it must be above 0"):
        BiasedMF(ratings, regularization=0.0)
    with pytest.raises(ConfigError, match="dim=0; it must be at least 1"):
        BiasedMF(ratings, dim=0)
    with pytest.raises(
        ConfigError, match=r"user_regularization=-1.0, item_regularization=5.0; both must be 0 or above"
    ):
        UserItemBias(ratings, user_regularization=-1.0)


@pytest.mark.parametrize("kind", FITTED)
def test_label_is_checked(kind: str, ratings: EventLog) -> None:
    with pytest.raises(DataError, match=r"'ratings' is no signal of the log; did you mean 'rating'"):
        FITTED[kind](ratings, "ratings")
