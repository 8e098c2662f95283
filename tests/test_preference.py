"""Preference: any weighting of the tasks, from one training run."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl
import pytest
import torch
from torch import Tensor

from motet.baselines import Popularity
from motet.data.batch import Batch
from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.errors import ConfigError
from motet.evaluation import evaluate
from motet.model import Model
from motet.preference import Preference
from motet.recommender import Recommender
from motet.tasks import Catalogue, Rating, Retrieval
from motet.towers import FeatureTower
from motet.train import fit
from motet.trunks import SharedBottom

WEIGHTS = {"rating": 1.0, "retrieval": 4.0}


@pytest.fixture(scope="module")
def log() -> EventLog:
    """Users turn to items of their own kind; what they give stars to has to do with something else."""
    torch.manual_seed(0)
    users, items = torch.arange(40).repeat_interleave(12), torch.randint(6, (480,)) * 5
    items = items + users % 5
    stars = 1.0 + (users // 5 + items // 5) % 5
    columns = {"user_id": users.numpy(), "item_id": items.numpy(), "rating": stars.numpy()}
    return EventLog.read(pl.DataFrame(columns), Schema(signals=("rating",)))


def model_of(log: EventLog, preference: Preference | None, **more: object) -> Model:
    torch.manual_seed(1)
    tasks = [Rating(hidden=(8,)), Retrieval(pool=Catalogue())]
    towers = {"user": FeatureTower(log.users, dim=3), "item": FeatureTower(log.items, dim=3)}
    return Model(**{**towers, "tasks": tasks, "weights": WEIGHTS, "preference": preference, **more})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def trained(log: EventLog) -> Model:
    model = model_of(log, Preference(100.0))
    optimizer = partial(torch.optim.Adam, lr=0.05)
    fit(model, log, epochs=30, batch_size=160, optimizer=optimizer, device="cpu", progress=False)
    return model


def encoded(preference: dict[str, float], spread: float = 10.0) -> list[float]:
    return built(spread).encode(preference, WEIGHTS).tolist()


def built(spread: float = 10.0) -> Preference:
    preference = Preference(spread)
    preference.build(list(WEIGHTS), dim=4)
    return preference


def test_only_ratios_count_and_they_are_taken_to_the_weights_of_the_model() -> None:
    assert encoded(WEIGHTS) == [0.0, 0.0]
    assert encoded({"rating": 2.0, "retrieval": 8.0}) == [0.0, 0.0]
    assert encoded({"rating": 1.0, "retrieval": 2.0}) == pytest.approx([0.0, math.log(0.5)])
    assert encoded({"rating": 0.5, "retrieval": 4.0}) == pytest.approx([math.log(0.5), 0.0])


def test_beyond_the_spread_the_nearest_is_meant() -> None:
    nearest = encoded({"rating": 10.0, "retrieval": 4.0})
    assert encoded({"rating": 1.0}) == pytest.approx(nearest)
    assert encoded({"rating": 1.0, "retrieval": 1e-9}) == pytest.approx(nearest)


def test_factors_lead_to_the_weights_asked_for_and_are_1_on_average() -> None:
    preference = built()
    asked = {"rating": 3.0, "retrieval": 6.0}
    factors = preference.factors(preference.encode(asked, WEIGHTS), WEIGHTS)
    weights = dict(zip(WEIGHTS, factors * torch.tensor(list(WEIGHTS.values())), strict=True))
    assert weights["rating"] / weights["retrieval"] == pytest.approx(0.5)
    assert factors.mean() == pytest.approx(1.0)
    assert preference.factors(torch.zeros(2), WEIGHTS).tolist() == [1.0, 1.0]


def test_draws_favour_each_task_alike_and_their_log_ratio_is_uniform() -> None:
    torch.manual_seed(0)
    preference = built()
    drawn = torch.stack([preference.draw(WEIGHTS) for _ in range(800)])
    assert (drawn.max(1).values == 0).all()
    ratio = (drawn[:, 0] - drawn[:, 1]) / math.log(10.0)
    assert ratio.abs().max() <= 1
    quarters = torch.histc(ratio, 4, -1, 1) / len(ratio)
    torch.testing.assert_close(quarters, torch.full((4,), 0.25), atol=0.05, rtol=0)
    factors = torch.stack([preference.factors(each, WEIGHTS) for each in drawn])
    torch.testing.assert_close(factors.mean(0), torch.ones(2), atol=0.1, rtol=0)


def test_a_task_that_is_not_trained_plays_no_part() -> None:
    preference = Preference()
    preference.build(["rating", "retrieval", "click"], dim=4)
    weights = {**WEIGHTS, "click": 0.0}
    assert all(preference.draw(weights)[2] == 0 for _ in range(20))
    assert preference.encode(WEIGHTS, weights).tolist() == [0.0, 0.0, 0.0]
    assert preference.factors(torch.zeros(3), weights).tolist() == [1.0, 1.0, 0.0]
    with pytest.raises(ConfigError, match="asks for task 'click', which the model gives weight 0"):
        preference.encode({"click": 1.0}, weights)


def test_each_task_has_a_map_that_counts_by_its_lead() -> None:
    preference = built()
    users = torch.randn(3, 4)
    torch.nn.init.normal_(preference.maps.weight)
    torch.nn.init.normal_(preference.maps.bias)
    maps, shifts = preference.maps.weight.view(2, 4, 4), preference.maps.bias.view(2, 4)
    z = preference.draw(WEIGHTS)
    shares = z.exp() / z.exp().sum()
    for user, found in zip(users, preference(users, z), strict=True):
        moved = sum((shares[t] - 0.5) * (maps[t] @ user + shifts[t]) for t in range(2))
        torch.testing.assert_close(found, user + moved)
    assert torch.equal(preference(users, None), users)


@pytest.mark.parametrize(
    ("preference", "words"),
    [
        ({"ratign": 1.0}, "names 'ratign', which is no task of the model; did you mean 'rating'"),
        ({"rating": -1.0}, r"gives task 'rating' the weight -1.0; it must lie between 0 and 1e\+30"),
        ({"rating": math.nan}, "the weight nan"),
        ({"rating": math.inf}, "the weight inf"),
        ({"rating": 1e300}, r"the preference gives task 'rating' the weight 1e\+300"),
        ({"rating": 0.0, "retrieval": 0.0}, "gives every task weight 0; give one of rating, retrieval"),
        ({}, "gives every task weight 0"),
    ],
)
def test_bad_preferences_are_refused(log: EventLog, preference: dict[str, float], words: str) -> None:
    model = model_of(log, Preference())
    with pytest.raises(ConfigError, match=words):
        model.prefer(preference)
    with pytest.raises(ConfigError, match=words):
        Recommender(model, log).recommend(0, k=1, preference=preference)


def test_a_model_for_one_weighting_takes_no_preference(log: EventLog) -> None:
    model = model_of(log, None)
    assert model.prefer(None) is None
    for ask in (model.prefer, partial(Recommender(model, log).predict, 0, 0, preference=WEIGHTS)):
        with pytest.raises(ConfigError, match="built without a Preference and answers by one weighting only"):
            ask(WEIGHTS) if ask == model.prefer else ask()  # type: ignore[call-arg, arg-type]
    with pytest.raises(ConfigError, match="popularity is a baseline and takes no preference"):
        evaluate(Popularity(log), log, train=log, preference=WEIGHTS)


@pytest.mark.parametrize("spread", [1.0, 0.0, math.inf, math.nan])
def test_a_spread_out_of_range(spread: float) -> None:
    with pytest.raises(ConfigError, match="it is a factor between weights, and must be above 1 and finite"):
        Preference(spread)


def test_every_batch_of_training_has_a_preference_that_weighs_its_losses(log: EventLog) -> None:
    model, plain = model_of(log, Preference()).train(), model_of(log, None)
    for each in (model, plain):
        each.prepare(log)
    batch = log.batch()
    bare = plain.losses(batch)  # of the same vectors: training begins with one model
    assert not torch.equal(model.losses(batch)["rating"], model.losses(batch)["rating"])
    asked = model.losses(replace(batch, preference=model.prefer({"rating": 1.0, "retrieval": 1.0})))
    torch.testing.assert_close(asked["rating"], 1.6 * bare["rating"])
    torch.testing.assert_close(asked["retrieval"], 0.4 * bare["retrieval"])
    assert torch.equal(model.eval().losses(batch)["rating"], bare["rating"])


def test_a_loss_of_ones_own_may_be_a_plain_mapping(log: EventLog) -> None:
    class Own(Model):
        def compute_loss(self, batch: Batch) -> dict[str, Tensor]:
            return {**self.losses(batch), "small": self.user(batch).square().mean()}

    towers = {"user": FeatureTower(log.users, dim=3), "item": FeatureTower(log.items, dim=3)}
    model = Own(**towers, tasks=[Rating(hidden=(4,))], preference=Preference())
    assert "loss/small" in fit(model, log, epochs=1, progress=False).columns


def test_one_training_answers_for_every_weighting(trained: Model, log: EventLog) -> None:
    asked = [{"rating": 1.0}, WEIGHTS, {"retrieval": 1.0}]
    with torch.no_grad():
        losses = [trained.losses(replace(log.batch(), preference=trained.prefer(each))) for each in asked]
    rating, retrieval = ([float(each[name]) for each in losses] for name in WEIGHTS)
    assert rating == sorted(rating)
    assert retrieval == sorted(retrieval, reverse=True)
    reports = [evaluate(trained, log, train=log, baselines=False, preference=each) for each in asked]
    assert [report["rating/rmse"] ** 2 for report in reports] == pytest.approx(rating, rel=1e-4)
    assert reports[0]["retrieval/all items/mrr"] != reports[2]["retrieval/all items/mrr"]
    assert "Evaluated at the weighting rating 1." in reports[0].notes
    assert evaluate(trained, log, train=log, baselines=False).figures == reports[1].figures


def test_items_are_free_of_the_preference_and_users_are_not(trained: Model, log: EventLog) -> None:
    batch = log.batch()
    with torch.no_grad():
        there, here = (trained(replace(batch, preference=trained.prefer(each))) for each in (WEIGHTS, {"rating": 1.0}))
    assert torch.equal(there[1], here[1])
    assert not torch.allclose(there[0], here[0])


def test_a_recommender_answers_as_the_model_scores(trained: Model, log: EventLog) -> None:
    recommender = Recommender(trained, log)
    asked = {"retrieval": 0.8, "rating": 0.2}
    rows = replace(log.batch(), preference=trained.prefer(asked)).take(slice(0, 5))
    ids = [side.vocab.decode(each).to_list() for side, each in ((log.users, rows.users), (log.items, rows.items))]
    with torch.no_grad():
        scores = trained.score(rows)
    for name, found in recommender.predict(*ids, preference=asked).items():
        torch.testing.assert_close(found, scores[name])
    top = recommender.recommend(3, 5, preference=asked, exclude_seen=False)
    for name, found in recommender.predict(3, top.ids.tolist(), preference=asked).items():
        torch.testing.assert_close(top.tasks[name], found)
    own = recommender.recommend(3, 5, preference=WEIGHTS, exclude_seen=False)
    assert torch.equal(own.scores, recommender.recommend(3, 5, exclude_seen=False).scores)


def test_the_preference_is_also_how_scores_are_added_up_unless_by_says_otherwise(trained: Model, log: EventLog) -> None:
    recommender = Recommender(trained, log)
    only = {"rating": 1.0}
    tops = [
        recommender.recommend(3, 5, exclude_seen=False, **asked)  # type: ignore[arg-type]
        for asked in ({"preference": only}, {"preference": only, "by": only}, {"preference": only, "by": WEIGHTS})
    ]
    assert torch.equal(tops[0].scores, tops[1].scores)
    assert not torch.equal(tops[0].scores, tops[2].scores)


def test_someone_unknown_is_the_mean_user_under_every_preference(trained: Model, log: EventLog) -> None:
    scorer = Recommender(trained, log).scorer
    asked = trained.prefer({"rating": 1.0})
    everyone = scorer.preferring(scorer.users(torch.arange(1, len(log.users))), asked)
    torch.testing.assert_close(scorer.preferring(scorer.users(torch.tensor([0])), asked)[0], everyone.mean(0))


def test_saved_and_loaded_bit_for_bit(trained: Model, log: EventLog, tmp_path: Path) -> None:
    recommender = Recommender(trained, log)
    recommender.save(tmp_path / "model")
    again = Recommender.load(tmp_path / "model")
    assert again.model.preference is not None
    assert again.model.preference.config() == {"spread": 100.0}
    for asked in (None, {"rating": 1.0}, {"rating": 1.0, "retrieval": 2.0}):
        there, here = (each.recommend(3, 5, preference=asked) for each in (recommender, again))
        assert there.ids.tolist() == here.ids.tolist()
        assert torch.equal(there.scores, here.scores)


def test_training_goes_on_from_a_checkpoint_with_the_same_draws(log: EventLog, tmp_path: Path) -> None:
    whole, parts = (model_of(log, Preference()) for _ in range(2))
    fit(whole, log, epochs=2, batch_size=128, progress=False)
    for epochs in (1, 2):
        fit(parts, log, epochs=epochs, batch_size=128, checkpoint=tmp_path / "state", resume=True, progress=False)
    states = (model.state_dict() for model in (whole, parts))
    assert all(torch.equal(a, b) for a, b in zip(*(state.values() for state in states), strict=True))


def test_without_a_preference_nothing_changes(log: EventLog) -> None:
    plain, preferring = model_of(log, None), model_of(log, Preference())
    assert not any("preference" in name for name in plain.state_dict())
    for model in (plain, preferring):
        model.prepare(log)
        model.eval()
    scores = [model.score(log.batch()) for model in (plain, preferring)]
    assert all(torch.equal(scores[0][name], scores[1][name]) for name in WEIGHTS)  # it starts as the same model


def test_a_trunk_hears_of_it(log: EventLog) -> None:
    model = model_of(log, Preference(100.0), trunk=SharedBottom((8,)))
    fit(model, log, epochs=5, batch_size=128, progress=False)
    recommender = Recommender(model, log)
    scored = [recommender.predict(3, 4, preference={name: 1.0})["rating"] for name in WEIGHTS]
    assert scored[0] != scored[1]
