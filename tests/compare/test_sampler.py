from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from motet.compare.sampler import Optuna, Sampler
from motet.compare.space import Choice, Range
from motet.compare.trial import Trial
from motet.errors import ConfigError

DIMENSIONS = {"a": Range(0.01, 1.0, log=True), "b": Range(1, 9), "c": Choice(([], [64])), "d": Choice((0.1, 0.5))}


def optuna(sampler: Sampler, seed: int = 1) -> Optuna:
    return Optuna(
        dimensions=DIMENSIONS,
        sampler=sampler,
        worth=lambda trial: (trial.figures["x"], trial.figures["y"]),
        objectives=2,
        seed=seed,
    )


def go_on(asked: Optuna, ended: list[Trial], upto: int) -> list[Trial]:
    for number in range(len(ended), upto):
        trial = asked(number, ended, [])
        a, b = trial.settings["a"], trial.settings["b"]
        ended.append(replace(trial, state="failed" if number == 3 else "done", figures={"x": a, "y": -a * b}))
    return ended


@pytest.mark.parametrize(("sampler", "trials"), [("tpe", 14), ("nsga2", 24), ("random", 6), ("gp", 12)])
def test_a_trial_follows_from_those_before_it(sampler: Sampler, trials: int) -> None:
    whole = go_on(optuna(sampler), [], trials)
    half = [Trial.of(trial.line()) for trial in whole[: trials - 3]]  # as a run that goes on reads them
    assert go_on(optuna(sampler), half, trials) == whole
    assert go_on(optuna(sampler, seed=2), [], 3) != whole[:3]
    for trial in whole:
        assert 0.01 <= trial.settings["a"] <= 1
        assert trial.settings["b"] in range(1, 10)
        assert trial.settings["c"] in ([], [64])
        assert trial.settings["d"] in (0.1, 0.5)


def test_open_and_pruned_trials_are_told_too() -> None:
    asked = Optuna(dimensions=DIMENSIONS, sampler="tpe", worth=lambda trial: [trial.figures["x"]], objectives=1, seed=1)
    ended = go_on(asked, [], 11)
    pruned = replace(ended[0], state="pruned", rungs={2: 0.5, 4: float("-inf")})
    open_ = [Trial(11, ended[1].settings)]
    assert asked(12, [pruned, *ended[1:]], open_).settings != ended[1].settings


def test_a_search_may_start_somewhere() -> None:
    start = {"a": 0.5, "c": [64]}
    asked = Optuna(dimensions=DIMENSIONS, sampler="tpe", worth=lambda _: [0.0], objectives=1, seed=1, start=start)
    first = asked(1, [], [])
    assert {key: first.settings[key] for key in start} == start
    assert first.settings["b"] in range(1, 10)  # drawn
    assert asked(2, [], [first]).settings["a"] != start["a"]
    assert asked(2, [replace(first, state="done")], []).settings["a"] != start["a"]


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_trial_stays_in_a_range_whose_ends_have_many_digits(sampler: Sampler) -> None:
    """A drawn number is rounded to four digits: beyond the end, Optuna refused the trial as soon as it had ended."""
    narrow = {"a": Range(0.0123446, 0.0123449, log=True), "b": Range(1, 9)}
    start = {key: dimension.nearest(2.5) for key, dimension in narrow.items()}
    asked = Optuna(dimensions=narrow, sampler=sampler, worth=lambda _: [0.0], objectives=1, seed=1, start=start)
    ended: list[Trial] = []
    for number in range(3):
        trial = asked(number, ended, [])
        assert 0.0123446 <= trial.settings["a"] <= 0.0123449
        assert trial.settings["b"] in range(1, 10)
        ended.append(replace(trial, state="done"))


@pytest.mark.parametrize("seed", [20_240_531, 2**63, -1])
def test_a_seed_is_any_whole_number(seed: int) -> None:
    """Those of NumPy have 32 bits: a search with a seed above 4,294 failed when its first trial had been trained."""
    first = optuna("random", seed)(1, [], [])
    assert optuna("random", seed)(1, [], []) == first
    assert optuna("random", seed + 1)(1, [], []) != first


def test_optuna_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(
        ConfigError, match=r"the sampler 'gp' needs Optuna; install it with: pip install 'motet\[tune\]"
    ):
        optuna("gp")
