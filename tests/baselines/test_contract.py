from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch

from motet.baselines import (
    ALS,
    BPR,
    EASE,
    Baseline,
    BayesianMF,
    BiasedMF,
    BoughtTogether,
    GlobalMean,
    ItemKNN,
    Popularity,
    Touched,
    UserItemBias,
)
from motet.data.log import EventLog
from motet.errors import ConfigError, DataError
from motet.evaluation import evaluate
from motet.tasks import Rows
from motet.testing import check_baseline

Build = Callable[..., Baseline]
RANKING: dict[str, Build] = {
    "popularity": Popularity,
    "bought together": partial(BoughtTogether, at_least=1),
    "lift": partial(BoughtTogether, measure="lift", at_least=1),
    "item kNN": partial(ItemKNN, neighbours=5),
    "EASE": EASE,
    "ALS": partial(ALS, dim=4, regularization=1.0),
    "BPR": partial(BPR, dim=4, lr=0.05, iterations=100),
    "touched": partial(Touched, touched="rating >= 3", where="rating >= 1"),
}
RATING: dict[str, Build] = {
    "global mean": GlobalMean,
    "bias": UserItemBias,
    "biased MF": partial(BiasedMF, dim=3),
    "Bayesian MF": partial(BayesianMF, dim=3, iterations=12),
}
ALL = RANKING | RATING


@pytest.mark.parametrize("kind", ALL)
def test_contract(kind: str) -> None:
    check_baseline(ALL[kind])


@pytest.mark.parametrize("kind", ALL)
def test_same_seed_same_scores(kind: str, tastes: EventLog) -> None:
    users, items = torch.arange(61)[:, None], torch.arange(23)
    one, other = (ALL[kind](tastes).scores(users, items) for _ in range(2))
    assert torch.equal(one, other)


@pytest.mark.parametrize("kind", RANKING.keys() - {"touched"})
def test_rows_that_are_not_chosen_do_not_count(kind: str, tastes: EventLog) -> None:
    chosen = tastes.take(tastes.columns["kind"] == 1)
    some, alone = RANKING[kind](tastes, where="kind == 1"), RANKING[kind](chosen)
    users, items = torch.arange(61)[:, None], torch.arange(23)
    assert torch.allclose(some.scores(users, items), alone.scores(users, items))


@pytest.mark.parametrize("kind", RATING)
def test_ratings_that_are_not_chosen_do_not_count(kind: str, tastes: EventLog) -> None:
    chosen = tastes.take(tastes.columns["kind"] == 1)
    users, items = torch.arange(61)[:, None], torch.arange(23)
    some, alone = (RATING[kind](log, where=where) for log, where in ((tastes, "kind == 1"), (chosen, None)))
    assert torch.allclose(some.scores(users, items), alone.scores(users, items))


@pytest.mark.parametrize("kind", RANKING.keys() - {"touched"})
def test_unknown_users_get_what_is_popular(kind: str, tastes: EventLog) -> None:
    baseline = RANKING[kind](tastes)
    assert baseline.recommend(999, k=5).ids.tolist() == Popularity(tastes).recommend(999, k=5).ids.tolist()


@pytest.mark.parametrize("kind", RANKING.keys() - {"popularity", "touched"})
def test_taste_is_found(kind: str, tastes: EventLog) -> None:
    baseline = RANKING[kind](tastes, where="item_id != 21")
    own, other = range(1, 11), range(11, 21)
    for user, taste in ((3, own), (44, other)):
        assert set(baseline.recommend(user, k=4).ids.tolist()) <= set(taste) | {21}


@pytest.mark.parametrize("kind", [ALS, BPR, BayesianMF])
@pytest.mark.parametrize("seed", [-1, 2**40])
def test_a_seed_is_any_whole_number(kind: Build, seed: int, tastes: EventLog) -> None:
    kind(tastes, dim=2, iterations=2, seed=seed)


@pytest.mark.parametrize("kind", ALL)
def test_evaluated_like_a_model(kind: str, tastes: EventLog) -> None:
    baseline = ALL[kind](tastes, name="mine") if kind != "touched" else ALL[kind](tastes)
    report = evaluate(baseline, tastes, train=tastes)
    key = f"{baseline.name}/rmse" if kind in RATING else f"{baseline.name}/unseen/hit_rate@10"
    assert report[key] >= 0


@pytest.mark.parametrize("kind", ["popularity", "bias"])
def test_judged_on_the_rows_it_is_about(kind: str, tastes: EventLog) -> None:
    baseline = ALL[kind](tastes, where="kind == 2")
    chosen = tastes.take(tastes.columns["kind"] == 2)
    own = (
        {key: figure for key, figure in evaluate(baseline, test, train=tastes).items() if key.startswith(baseline.name)}
        for test in (tastes, chosen)
    )
    assert next(own) == next(own)


def test_pairs_of_many_users_are_cells_of_blocks(tastes: EventLog) -> None:
    ease = EASE(tastes)
    users, items = torch.randint(61, (3000,)), torch.randint(23, (3000,))
    block = ease.scores(torch.arange(61)[:, None], torch.arange(23))
    assert torch.allclose(ease.scores(users, items), block[users, items], atol=1e-6)
    assert ease.scores(users[:0], items[:0]).shape == (0,)


def test_no_row_chosen_is_refused(tastes: EventLog) -> None:
    told = r"none of 420 training rows is selected by where='rating > 9'; 'EASE' has nothing to learn from"
    with pytest.raises(DataError, match=told):
        EASE(tastes, where="rating > 9")


def test_fading_needs_a_time(tastes: EventLog) -> None:
    fading = ItemKNN(tastes, where=Rows(half_life_days=1))
    assert fading.positives.weights.min() == 2**-6
    assert fading.positives.weights.max() == 1


@pytest.mark.parametrize(
    ("build", "module"),
    [(EASE, "scipy.sparse"), (ALS, "implicit.cpu.als"), (BPR, "implicit.cpu.bpr"), (BayesianMF, "scipy.sparse")],
)
def test_missing_package_is_named(build: Build, module: str, tastes: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, module, None)
    told = rf"{build.__name__} needs more packages \(.*{module}.*\); install them: pip install 'motet\[baselines\]'"
    with pytest.raises(ConfigError, match=told):
        build(tastes)
