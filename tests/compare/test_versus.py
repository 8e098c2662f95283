"""Made-up trials: what is said of them is known."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch

from motet.compare.comparison import Estimate, outcome, speaks_of, transfers
from motet.compare.objective import relative_gain
from motet.compare.systems import Contender
from motet.compare.trial import Trial
from motet.compare.verdict import figure_name, gain_text, verdict
from motet.compare.versus import Tally, Versus, conflicts, mean_gain, versus

HEADLINES = {"rating": "rating/rmse", "find": "find/unseen/ndcg@10"}
SERVED = "served/unseen/ndcg@10"
DRAWS = 200
JOINT = Contender("joint", "joint", None, {})
RATING, FIND = (Contender(f"{task} only", "specialist", task, {}) for task in HEADLINES)
POPULAR = Contender("popularity", "baseline", None, {})


def tally(contender: Contender, figures: Sequence[dict[str, float] | None], sd: float = 0.001) -> Tally:
    """A system whose figures in samples of users lie around those it has; None where it could not be trained."""
    noise = sd * torch.linspace(-1.7, 1.7, DRAWS, dtype=torch.float64)
    trials = []
    for number, each in enumerate(figures):
        trial = Trial(number, {"system": contender.name, "seed": number})
        if each is None:
            trials.append(trial.failed(ValueError("no luck")))
            continue
        draws = {key: (figure + noise).tolist() for key, figure in each.items()}
        memory = {
            "draws": draws,
            "users": dict.fromkeys(each, 1000),
            "bias": {key: [0, 0] for key in each},
            "history": [{"epoch": 1, "cosine/rating/find": -0.2 - 0.1 * number}],
        }
        trials.append(Trial(number, trial.settings, state="done", figures=each, memory=memory))
    return Tally(contender, trials=trials, draws=DRAWS)


def both(rmse: float, ndcg: float) -> dict[str, float]:
    return {HEADLINES["rating"]: rmse, HEADLINES["find"]: ndcg}


def compared(joint: Tally, *others: Tally) -> tuple[list[Versus], Estimate | None, list[str]]:
    pairs = [each for other in others for each in versus(joint, other, HEADLINES, 0.95)]
    alone = {other.contender.task: other for other in others if other.contender.task is not None}
    gain = mean_gain(joint, alone, HEADLINES, 0.95)
    systems = [each.system(0.95) for each in (joint, *others)]
    return pairs, gain, verdict(list(alone), systems, pairs, gain)


def test_helped_and_hurt_nothing() -> None:
    joint = tally(JOINT, [both(0.888, 0.30), both(0.889, 0.31), both(0.887, 0.29)])
    rating = tally(RATING, [both(0.917, 0.01), both(0.918, 0.01), both(0.916, 0.01)])
    find = tally(FIND, [both(3.7, 0.31), both(3.7, 0.29), both(3.7, 0.30)])
    pairs, gain, told = compared(joint, rating, find)
    assert [each.outcome for each in pairs] == ["better", "undecided"]
    assert [each.task for each in pairs] == ["rating", "find"]  # of a specialist its own task alone
    assert told[0].startswith(
        "Joint training helped rating (RMSE 0.888 vs 0.917, gain +3.2 % [3.2, 3.2]) and hurt nothing"
    )
    assert "; too close to call: find (unseen NDCG@10 0.300 vs 0.300, gain +0.0 %" in told[0]
    assert gain is not None
    expected = (relative_gain("rating/rmse", 0.888, 0.917) + 0) / 2
    assert gain.value == pytest.approx(expected)
    assert told[1].startswith("Over 2 tasks it gained +1.6 % [")
    assert told[2] == "No baseline applies to rating."


def test_a_small_gain_is_not_told_as_none() -> None:
    """In milliseconds, say: the sentence said that 6477.717 beats 6478.290 by -0.0 % [-0.0, -0.0]."""
    small = Estimate(value=-0.0000884, low=-0.000126, high=-0.00005)
    assert gain_text(small) == "-0.009 % [-0.01, -0.005]"
    assert gain_text(Estimate(value=-1e-17, low=-0.02, high=0.0312)) == "+0.0 % [-2.0, 3.1]"
    joint, rating = tally(JOINT, [both(6477.717, 0.3)] * 2), tally(RATING, [both(6478.29, 0.3)] * 2)
    _, _, told = compared(joint, rating, tally(FIND, [both(1.0, 0.3)] * 2))
    assert "helped rating (RMSE 6,478 vs 6,478, gain +0.009 % [0.009, 0.009])" in told[0]


def test_hurt() -> None:
    joint = tally(JOINT, [both(0.95, 0.30), both(0.96, 0.31), both(0.94, 0.29)])
    rating = tally(RATING, [both(0.90, 0), both(0.91, 0), both(0.89, 0)])
    find = tally(FIND, [both(3, 0.25), both(3, 0.26), both(3, 0.24)])
    popular = tally(POPULAR, [{HEADLINES["find"]: x} for x in (0.40, 0.41, 0.39)])
    pairs, _, told = compared(joint, rating, find, popular)
    assert [each.outcome for each in pairs] == ["worse", "better", "worse"]
    assert told[0].startswith("Joint training helped find (unseen NDCG@10 0.300 vs 0.250, gain +20.0 % [20.0, 20.0])")
    assert " and hurt rating (RMSE 0.950 vs 0.900, gain -5.6 % [-5.6, -5.6])" in told[0]  # as in the table
    behind = "In find it is behind popularity (unseen NDCG@10 0.300 vs 0.400, gain -25.0 % [-2"
    assert [each.startswith(behind) for each in told] == [False, False, False, True]
    assert pairs[0].gain.value == pytest.approx(-0.05 / 0.9)


def test_an_interval_of_a_gain_leaves_0_out_where_that_of_the_difference_does() -> None:
    """Where the other's figure varies more than the difference does, that of the ratio of the two may not."""
    joint = tally(JOINT, [both(0.9, 0.30), both(0.9, 0.34), both(0.9, 0.27)])
    popular = tally(POPULAR, [{HEADLINES["find"]: x} for x in (0.28, 0.325, 0.245)])
    pair = next(iter(versus(joint, popular, HEADLINES, 0.95)))
    assert pair.outcome == "better"
    assert 0 < pair.gain.low < pair.gain.value < pair.gain.high
    assert pair.gain.low / pair.gain.value == pytest.approx(pair.difference.low / pair.difference.value)


def test_an_outcome_follows_the_interval_from_which_chance_is_subtracted() -> None:
    """Chance lifts an ECE more than it lifts another: the interval may lie on the other side of 0 than the value."""
    difference = Estimate(value=0.01, low=-0.03, high=-0.002)
    assert outcome("click/ece", difference) == "better"
    assert outcome("click/auc", difference) == "worse"
    assert outcome("click/ece", Estimate(value=0.01, low=0.0, high=0.02)) == "undecided"
    assert outcome("click/ece", Estimate(value=0.01, low=math.nan, high=math.nan)) == "undecided"


def test_stages_of_a_funnel_speak_one_by_one_and_lists_for_all() -> None:
    keys = {"funnel/clicked": "funnel/clicked/auc", "funnel/bought": "funnel/bought/auc", "served": SERVED}
    funnel = Contender("funnel only", "specialist", "funnel", {})
    joint, alone, find = (
        tally(each, [dict(zip(keys.values(), figures, strict=True))] * 2)
        for each, figures in ((JOINT, (0.8, 0.6, 0.2)), (funnel, (0.7, 0.65, 0.1)), (FIND, (0.5, 0.5, 0.25)))
    )
    popular = tally(POPULAR, [{SERVED: 0.1}] * 2)
    pairs = [each for other in (alone, find, popular) for each in versus(joint, other, keys, 0.95)]
    assert [(each.system, each.task) for each in pairs] == [
        *[("funnel only", name) for name in keys],
        ("find only", "served"),  # of a specialist its own task, and its lists
        ("popularity", "served"),
    ]
    systems = [each.system(0.95) for each in (joint, alone, find, popular)]
    assert list(transfers(systems, pairs)) == ["funnel/clicked", "funnel/bought"]
    gain = mean_gain(joint, {"funnel": alone}, keys, 0.95)
    assert gain is not None
    assert gain.value == pytest.approx((0.1 / 0.7 - 0.05 / 0.65) / 2)
    told = verdict(["funnel"], systems, pairs, gain)
    assert told[0].startswith("Joint training helped funnel/clicked (clicked AUC 0.800 vs 0.700")
    assert " and hurt funnel/bought (bought AUC 0.600 vs 0.650" in told[0]
    assert told[-1].startswith("In the lists that users get it is behind find only (unseen NDCG@10 0.200 vs 0.250")
    assert "; it beats funnel only (" in told[-1]
    assert speaks_of("funnel", "served")
    assert not speaks_of("funnel", "find")


def test_every_baseline_is_told() -> None:
    joint, rating, find = (tally(each, [both(0.9, 0.3)] * 2) for each in (JOINT, RATING, FIND))
    rules = [
        tally(Contender(name, "baseline", None, {}), [{HEADLINES["find"]: figure}] * 2)
        for name, figure in (("popularity", 0.2), ("item kNN", 0.3), ("EASE", 0.4))
    ]
    told = compared(joint, rating, find, *rules)[2][-1]
    for words in (
        "In find it is behind EASE (",
        "; it does not clearly differ from item kNN (",
        "; it beats popularity (",
    ):
        assert words in told


def test_no_difference() -> None:
    joint = tally(JOINT, [both(0.90, 0.30), both(0.95, 0.31)])
    others = [tally(each, [both(0.95, 0.31), both(0.90, 0.30)]) for each in (RATING, FIND)]
    pairs, _, told = compared(joint, *others)
    assert {each.outcome for each in pairs} == {"undecided"}
    assert told[0].startswith("Joint training made no clear difference on the test rows: rating (")


def test_no_gain_over_0_and_no_interval_of_one_user_are_left_out() -> None:
    joint, rating = (tally(each, [both(0.9, 0.3)]) for each in (JOINT, RATING))
    find = tally(FIND, [both(3.0, 0.0)])
    pairs, gain, told = compared(joint, rating, find)
    assert [each.outcome for each in pairs] == ["undecided", "better"]
    assert gain is None
    assert told[0].startswith("Joint training helped find (unseen NDCG@10 0.300 vs 0.000) and hurt nothing")
    assert [each for each in told if "nan" in each] == []
    assert gain_text(Estimate(value=-0.032, low=math.nan, high=math.nan)) == "-3.2 %"


def test_one_seed_is_judged_by_its_users() -> None:
    joint, rating, find = (tally(each, [both(0.9, 0.3)], sd=0.1) for each in (JOINT, RATING, FIND))
    pairs, _, _ = compared(joint, rating, find)
    # The same users for both: what a sample does to both cancels.
    assert pairs[0].difference.high == pytest.approx(0, abs=1e-9)
    assert joint.system(0.95).figures["rating/rmse"].high == pytest.approx(0.9 + 1.96 * 0.0986, abs=1e-3)


def test_an_interval_of_a_system_ends_at_the_range_of_its_metric_and_that_of_a_difference_does_not() -> None:
    joint, find = (tally(each, [both(0.9, 0.1), both(0.9, 0.2)], sd=sd) for each, sd in ((JOINT, 0.2), (FIND, 0.1)))
    own = joint.system(0.95).figures[HEADLINES["find"]]
    assert own.low == 0 < own.value < own.high < 1
    (pair,) = versus(joint, find, HEADLINES, 0.95)
    assert pair.difference.low < -0.1


def test_a_baseline_that_could_not_be_trained_is_named() -> None:
    joint, rating = (tally(each, [both(0.9, 0.3), both(0.9, 0.3)]) for each in (JOINT, RATING))
    *_, told = compared(joint, rating, tally(POPULAR, [None, None]))
    assert told[-1] == "'popularity' could not be trained with 2 of 2 seeds (ValueError: no luck)."


def test_what_could_not_be_trained_leaves_the_rest() -> None:
    joint = tally(JOINT, [both(0.88, 0.3), both(0.88, 0.3), None])
    rating = tally(RATING, [None, None, None])
    find = tally(FIND, [None, both(3, 0.2), both(3, 0.2)])
    pairs, gain, told = compared(joint, rating, find)
    assert [each.task for each in pairs] == ["find"]
    assert pairs[0].joint == pytest.approx(0.3)
    assert gain is None
    assert told[1] == "Nothing can be concluded about rating: 'rating only' could not be trained (ValueError: no luck)."
    words = "could not be trained with 1 of 3 seeds (ValueError: no luck); its metrics are means over the others."
    assert told[-2:] == [f"'joint' {words}", f"'find only' {words}"]
    assert [bool(error) for error in find.system(0.95).errors] == [True, False, False]
    assert [math.isnan(x) for x in find.system(0.95).by_seed["find/unseen/ndcg@10"]] == [True, False, False]


def test_conflicts_are_the_mean_over_epochs_and_seeds() -> None:
    joint = tally(JOINT, [both(0.9, 0.3), both(0.9, 0.3), None])
    found = conflicts(joint.trials, ["find", "rating"])
    assert found == {"find": {"rating": pytest.approx(-0.25)}, "rating": {"find": pytest.approx(-0.25)}}
    assert conflicts([], ["find", "rating"]) == {"find": {}, "rating": {}}


def test_names_of_figures() -> None:
    assert figure_name("funnel/buy/log_loss") == "buy log loss"
    assert figure_name("find/all items/hit_rate@100") == "all items hit rate@100"
