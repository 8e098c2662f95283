"""Intervals over users: samples, ends, paired differences, and what has none."""

from __future__ import annotations

import math
from dataclasses import replace

import polars as pl
import pytest
import torch
from scipy import stats

from motet import split
from motet.baselines import GlobalMean, Popularity
from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.errors import ConfigError, DataError
from motet.evaluation import Report, evaluate
from motet.evaluation.evidence import Evidence
from motet.evaluation.intervals import Interval, counts, interval, resample
from motet.metrics import AUC, ECE, NDCG, RMSE, HitRate
from motet.metrics.base import Bias, Metric

KEY = "popularity/unseen/ndcg@10"


@pytest.fixture(scope="module")
def parts() -> split.Split:
    generator = torch.Generator().manual_seed(0)
    users, items = (torch.randint(size, (900,), generator=generator).tolist() for size in (40, 25))
    ratings = torch.randint(1, 6, (900,), generator=generator).tolist()
    frame = pl.DataFrame({"user_id": users, "item_id": items, "rating": ratings})
    return split.random(EventLog.read(frame, Schema(signals=("rating",))), test=300, seed=1)


@pytest.fixture(scope="module")
def report(parts: split.Split) -> Report:
    return evaluate(Popularity(parts.train), parts.test, train=parts.train)


def test_samples_are_as_large_as_the_users_and_the_same_for_the_same_seed() -> None:
    first, second = (torch.cat(list(counts(50, 300, seed=3))) for _ in range(2))
    assert torch.equal(first, second)
    assert first.shape == (300, 50)
    assert bool((first.sum(1) == 50).all())
    assert first.mean(0).std() < 0.1
    assert torch.cat(list(counts(3_000_000, 3, seed=3))).shape == (3, 3_000_000)


def test_a_sample_of_users_is_the_figure_of_their_rows_repeated(report: Report) -> None:
    """The short way through sums by user, against the rows themselves."""
    part = next(part for part in report.evidence if KEY in part.keys)
    figures = resample(part, [KEY], draws=3, seed=5).figures[:, 0]
    known = part.users.unique()
    for count, figure in zip(torch.cat(list(counts(len(known), 3, seed=5))), figures, strict=True):
        drawn = dict(zip(known.tolist(), count.tolist(), strict=True))
        values, weights = [], []
        for user in known.tolist():
            metric = NDCG(10)
            rows = part.users == user
            metric.update(part.values[rows], part.queries[rows])
            values.append(metric.compute())
            weights.append(drawn[user])
        mean = sum(v * w for v, w in zip(values, weights, strict=True)) / sum(weights)
        assert figure.item() == pytest.approx(mean)


@pytest.mark.parametrize("metric", [RMSE(), ECE(3), AUC()])
def test_by_user_is_what_repeated_rows_give(metric: Metric) -> None:
    generator = torch.Generator().manual_seed(2)
    scores, labels = torch.rand(60, generator=generator), (torch.rand(60, generator=generator) < 0.5).float()
    users = torch.arange(60) % 6
    count = torch.tensor([2, 0, 1, 1, 0, 2])
    found = metric.by_user((scores, labels, torch.ones(60)), users, 6)(count[None].double())
    rows = torch.repeat_interleave(torch.arange(60), count[users])
    fresh = type(metric)(3) if isinstance(metric, ECE) else type(metric)()
    fresh.update(scores[rows], labels[rows])  # type: ignore[attr-defined]
    assert found.item() == pytest.approx(fresh.compute())


def test_interval_holds_the_figure_and_narrows_with_the_level(report: Report) -> None:
    wide, narrow = report.interval(KEY), report.interval(KEY, level=0.5)
    assert wide.low < narrow.low < report[KEY] < narrow.high < wide.high
    assert report.interval(KEY) == wide == report.intervals()[KEY]
    assert report.interval(KEY, seed=1) != wide


def test_an_interval_ends_at_the_range_of_its_metric() -> None:
    wide = Interval(-0.1, 1.2)
    assert wide.clipped("clicked/ece") == wide.clipped("retrieval/unseen/hit_rate@10") == (0, 1)
    assert wide.clipped("rating/rmse") == (0, 1.2)
    assert wide.clipped("clicked/lift") == wide
    assert all(map(math.isnan, Interval(math.nan, math.nan).clipped("clicked/ece")))
    values, who = torch.ones(20), torch.arange(20)
    ranks = torch.where(who < 2, 1.0, 99.0)
    lists = Evidence("find", lambda: {"hit_rate@10": HitRate(10)}, ranks, None, who, who, who, values, who)
    found = Report.of([lists])
    low, high = found.interval("find/hit_rate@10")
    assert (low, high) == found.intervals()["find/hit_rate@10"]
    assert low == 0 < found["find/hit_rate@10"] < high
    other = Report.of([replace(lists, values=torch.where(who < 1, 1.0, 99.0))])
    assert other.versus(found, "find/hit_rate@10").low < -0.05, "a difference has no such end"


def test_what_chance_adds_is_taken_back_and_in_a_difference_whatever_it_is() -> None:
    certain = torch.full((3,), 0.2, dtype=torch.float64)
    assert interval(0.2, certain, users=9, level=0.9, bias=Bias(0.01, 0.05)) == pytest.approx((0.15, 0.19))
    assert Bias(0.01, 0.05).less(Bias(0.02, 0.03)) == pytest.approx((-0.02, 0.03))


def test_labels_that_no_metric_takes_are_named() -> None:
    metric = Evidence(
        "click", lambda: {"ece": ECE()}, *torch.rand(2, 3), *torch.zeros(3, 3).long(), torch.ones(3), torch.arange(3)
    )
    with pytest.raises(DataError, match=r"click/ece: the label of row 1 is 3; it must lie in \[0, 1\]"):
        replace(metric, labels=torch.tensor([0.0, 3.0, 1.0])).figures()


def test_judged_counts_users_and_rows(parts: split.Split, report: Report) -> None:
    assert report.judged(KEY) == (len(parts.test.batch().users.unique()), 300)


def test_paired_differences(parts: split.Split, report: Report) -> None:
    none = report.versus(evaluate(Popularity(parts.train), parts.test, train=parts.train), KEY)
    assert none == (0, 0, 0)
    optimistic = evaluate(Popularity(parts.train), parts.test, train=parts.train, ties="optimistic")
    found = optimistic.versus(report, KEY)
    assert found.low <= found.difference <= found.high
    assert found.difference == optimistic[KEY] - report[KEY]
    assert report.versus(optimistic, KEY).difference == -found.difference
    apart = [r.interval(KEY) for r in (optimistic, report)]
    assert found.high - found.low < sum(high - low for low, high in apart), "what is hard for both cancels"
    other_key = "popularity/all items/ndcg@10"
    assert report.versus(report, KEY, other_key).difference == report[KEY] - report[other_key]


def test_figures_of_other_rows_are_not_compared(parts: split.Split, report: Report) -> None:
    fewer = evaluate(Popularity(parts.train), parts.test.take(slice(0, 200)), train=parts.train)
    with pytest.raises(DataError, match=r"measured on 300 rows and .* on 200 other rows; a paired"):
        report.versus(fewer, KEY)


def test_what_has_no_interval(parts: split.Split, report: Report) -> None:
    for level in (0.0, 1.0, 95.0, math.nan):
        with pytest.raises(ConfigError, match=r"level=.*; it is a share between 0 and 1, such as 0.95"):
            report.interval(KEY, level=level)
    with pytest.raises(ConfigError, match="draws=1; an interval needs at least two"):
        report.interval(KEY, draws=1)
    one = parts.test.take(parts.test.batch().users == 3)
    alone = evaluate(GlobalMean(parts.train), one, train=parts.train)
    with pytest.raises(
        DataError, match=r"'global mean/rmse' was measured on 1 user\(s\); an interval over users needs"
    ):
        alone.interval("global mean/rmse")
    assert alone.intervals() == {}
    with pytest.raises(DataError, match="the report has no rows for 'a/rmse', only the value"):
        Report({"a/rmse": 1.0}).interval("a/rmse")


@pytest.mark.parametrize("metric", [RMSE(), AUC()])
def test_a_smooth_figure_strays_as_its_samples_do(metric: Metric) -> None:
    scores, labels = torch.rand(2, 60, generator=torch.Generator().manual_seed(4)).unbind()
    columns, users = (scores, labels.round(), torch.ones(60)), torch.arange(60) % 6
    count = torch.cat(list(counts(6, 5, seed=1)))
    assert torch.equal(metric.spread(columns, users, 6)(count), metric.by_user(columns, users, 6)(count))


def test_one_seed_knows_the_users_alone() -> None:
    draws = torch.tensor([1.0, 2.0, 3.0, math.nan])
    low, high = interval(2.0, draws, users=12, level=0.95)
    assert high - 2 == pytest.approx(stats.t.ppf(0.975, 11) * math.sqrt(12 / 11))
    assert 2 - low == pytest.approx(high - 2)
    assert interval(2.0, draws, users=12, level=0.95, by_seed=torch.tensor([2.0])) == (low, high)


def test_seeds_that_agree_add_nothing_and_seeds_that_do_not_take_over() -> None:
    draws = torch.tensor([-1.0, 1.0], dtype=torch.float64) / math.sqrt(2)
    reach = [
        interval(0.0, draws, users=100_000, level=0.95, by_seed=torch.tensor([-by, 0.0, by])).high
        for by in (0.0, 0.1, 1.0, 10.0)
    ]
    assert reach[0] == pytest.approx(1.96, rel=1e-3)
    assert reach == sorted(reach)
    assert reach[3] == pytest.approx(4.303 * 10 / math.sqrt(3), rel=0.05)


def test_nothing_to_measure_and_no_chance() -> None:
    unknown = torch.full((3,), math.nan)
    assert all(map(math.isnan, interval(math.nan, unknown, users=9, level=0.9, by_seed=torch.tensor([math.nan]))))
    assert interval(2.0, torch.full((3,), 2.0), users=9, level=0.9) == (2.0, 2.0)


@pytest.mark.parametrize(("users", "noise"), [(8, 0.0), (8, 0.5), (8, 3.0), (1000, 0.5)])
def test_the_interval_holds_the_truth_as_often_as_it_says(users: int, noise: float) -> None:
    """Means over few users, of three seeds that share them and differ by chance of their own; the truth is 0."""
    generator = torch.Generator().manual_seed(0)
    spread = torch.linspace(-2, 2, 41, dtype=torch.float64)
    hits = 0
    for _ in range(600):
        own = noise * torch.randn(3, generator=generator)
        sample = torch.randn(users, generator=generator) * math.sqrt(users)
        by_seed = sample.mean() + own
        draws = by_seed.mean() + spread / spread.std() * sample.std(correction=0) / math.sqrt(users)
        low, high = interval(float(by_seed.mean()), draws, users=users, level=0.95, by_seed=by_seed)
        hits += low <= 0 <= high
    assert 0.93 <= hits / 600 <= 0.98
