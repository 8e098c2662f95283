from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import polars as pl
import pytest
import torch
from torch import Tensor, nn

from motet import FeatureTower, Model, split
from motet.baselines import GlobalMean, Popularity
from motet.data.batch import Batch
from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.errors import ConfigError, DataError
from motet.evaluation import Report, evaluate
from motet.evaluation.collect import keys_of
from motet.index.places import places
from motet.metrics import RMSE, BothRanks, HitRate, Metric, both_ranks
from motet.metrics.ranks import Ties
from motet.tasks import Event, Funnel, Ordinal, Rating, Retrieval, Rows
from motet.towers import ContextTower

from .conftest import ITEMS, Dot, build


def reference(model: Model, test: EventLog, train: EventLog | None, weights: list[float], k: int) -> float:
    """The hit rate, one row at a time."""
    hits = []
    batch = test.batch()
    for user, item in zip(batch.users.tolist(), batch.items.tolist(), strict=True):
        rows = torch.arange(1, len(test.items))
        pairs = Batch({"user_id": torch.full_like(rows, user), "item_id": rows})
        scores = model.score(pairs)["clicks"].tolist()
        seen = set() if train is None else set(train.batch().items[train.batch().users == user].tolist())
        others = [s for i, s in enumerate(scores, 1) if i != item and i not in seen]
        hits.append(sum(s >= scores[item - 1] for s in others) < k)
    return sum(w * hit for w, hit in zip(weights, hits, strict=True)) / sum(weights)


@torch.no_grad()
def test_hit_rate_is_what_a_loop_over_rows_finds(parts: split.Split) -> None:
    train, test = parts
    model = build(train, Dot(where=Rows(weight="weight")))
    report = evaluate(model, test, train=train)
    weights = test.columns["weight"].tolist()
    assert report["clicks/all items/hit_rate@5"] == pytest.approx(reference(model, test, None, weights, 5))
    assert report["clicks/unseen/hit_rate@5"] == pytest.approx(reference(model, test, train, weights, 5))


@torch.no_grad()
def test_labels_are_compared_row_by_row(parts: split.Split) -> None:
    train, test = parts
    model = build(train, Rating("rating"))
    report = evaluate(model.eval(), test, train=train)
    errors = model.score(test.batch())["rating"] - test.columns["rating"]
    assert report["rating/rmse"] == pytest.approx(errors.square().mean().sqrt().item())
    assert report["rating/mae"] == pytest.approx(errors.abs().mean().item())


def test_only_labelled_rows_count(parts: split.Split) -> None:
    train, test = parts
    clicked = test.take(~test.columns["click"].isnan())
    model = build(train, Dot(needs=("click",)))
    some, all_rows = evaluate(model, clicked, train=train), evaluate(model, test, train=train)
    assert dict(some) == dict(all_rows)
    assert some.beside == all_rows.beside


def test_the_order_of_rows_does_not_matter(parts: split.Split) -> None:
    train, test = parts
    model = build(train, Dot(), Rating("rating"))
    shuffled = evaluate(model, test.take(torch.randperm(len(test))), train=train)
    assert dict(shuffled) == pytest.approx(dict(evaluate(model, test, train=train)))


def test_constant_model_hits_nothing(parts: split.Split) -> None:
    train, test = parts
    model = build(train, Dot())
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    report = evaluate(model, test, train=train, protocols=["all items"])
    assert report["clicks/all items/hit_rate@5"] == 0
    assert evaluate(model, test, train=train, ties="optimistic")["clicks/unseen/hit_rate@1"] == 1


def test_protocols_and_ks_are_those_asked_for(parts: split.Split) -> None:
    train, test = parts
    report = evaluate(build(train, Retrieval()), test, train=train, protocols=["unseen"], ks=(3, 7))
    ranked = {key for key in report if "hit_rate" in key}
    assert ranked == {"retrieval/unseen/hit_rate@3", "retrieval/unseen/hit_rate@7"}
    assert {key.split("/")[1] for key in report} == {"unseen"}
    assert report.beside["popularity"].keys() == report.keys()


def test_rules_stand_beside_under_the_same_keys(parts: split.Split) -> None:
    train, test = parts
    report = evaluate(build(train, Dot(), Rating("rating")), test, train=train)
    popularity, mean = (
        evaluate(Popularity(train), test, train=train, ks=(5,)),
        evaluate(GlobalMean(train), test, train=train),
    )
    assert report.beside.keys() == {"popularity", "global mean"}
    assert report.beside["popularity"]["clicks/unseen/hit_rate@5"] == popularity["popularity/unseen/hit_rate@5"]
    assert report.beside["global mean"]["rating/rmse"] == mean["global mean/rmse"]
    labels = test.columns["rating"]
    assert mean["global mean/rmse"] == pytest.approx((labels - train.columns["rating"].mean()).square().mean().sqrt())
    assert not evaluate(build(train, Dot()), test, train=train, baselines=False).beside


def test_a_label_that_training_lacks_has_no_global_mean(parts: split.Split) -> None:
    train, test = parts
    unlabelled = train.take(slice(None))
    unlabelled.columns["rating"] = torch.full_like(train.columns["rating"], torch.nan)
    assert not evaluate(build(train, Rating("rating")), test, train=unlabelled).beside


def test_user_vectors_that_read_the_row_make_each_row_a_query(parts: split.Split) -> None:
    train, test = parts
    test = test.take(slice(0, 40))
    user = ContextTower(train.users, dim=4, context={"hour": "numeric"})
    model = Model(user=user, item=FeatureTower(train.items, dim=4), tasks=[Dot()])
    whole = evaluate(model, test, train=train)
    each = [evaluate(model, test.take(slice(i, i + 1)), train=train) for i in range(40)]
    for metric in ("clicks/unseen/hit_rate@5", "clicks/unseen/ndcg", "clicks/all items/recall@5"):
        assert whole[metric] == pytest.approx(sum(report[metric] for report in each) / 40)
        beside = sum(report.beside["popularity"][metric] for report in each) / 40
        assert whole.beside["popularity"][metric] == pytest.approx(beside), "a baseline is asked the same queries"
    assert "Every row is a query of its own: a user's vector depends on the row." in whole.notes


def test_unknown_users_are_not_one_user(parts: split.Split) -> None:
    train, _ = parts
    model = build(train, Dot())
    frame = {"rating": 3.0, "weight": 1.0, "click": 1.0, "hour": 0.0}
    items = train.items.vocab.decode_list(range(1, 13))
    strangers = [
        train.encode(pl.DataFrame({"user_id": [900 + n] * len(some), "item_id": some, **frame}))
        for n, some in enumerate([items, *([item] for item in items)])
    ]
    whole, each = (
        evaluate(model, strangers[0], train=train),
        [evaluate(model, one, train=train) for one in strangers[1:]],
    )
    for key in ("clicks/unseen/ndcg", "clicks/all items/recall@5", "clicks/unseen/hit_rate@5"):
        assert whole[key] == pytest.approx(sum(report[key] for report in each) / len(each))
    assert f"{len(items)} held-out rows belong to users without a training row." in whole.notes

    unknown = train.encode(pl.DataFrame({"user_id": [900] * 12, "item_id": items, **frame}))
    columns = {name: torch.cat([column, unknown.columns[name]]) for name, column in train.columns.items()}
    report = evaluate(model, strangers[1], train=EventLog(train.schema, train.users, train.items, columns))
    assert report["clicks/unseen/ndcg"] == each[0]["clicks/unseen/ndcg"], "what one had is not seen by another"
    assert "12 held-out rows" not in " ".join(report.notes)


def test_unknown_items_are_left_out_and_counted(parts: split.Split) -> None:
    train, test = parts
    model = build(train, Dot())
    rows = {"user_id": [0, 0], "item_id": [999, 998], "rating": [1.0, 2.0], "weight": 1.0, "click": 1.0, "hour": 0.0}
    unknown = train.encode(pl.DataFrame(rows))
    both = EventLog(
        test.schema,
        test.users,
        test.items,
        {name: torch.cat([column, unknown.columns[name]]) for name, column in test.columns.items()},
    )
    report = evaluate(model, both, train=train)
    assert dict(report) == dict(evaluate(model, test, train=train))
    assert "2 held-out rows have an unknown item and are left out of rankings." in report.notes
    nothing = evaluate(model, unknown, train=train)
    assert nothing.keys() == report.keys()
    assert all(map(math.isnan, nothing.values()))


def test_rows_of_new_users_are_counted(parts: split.Split) -> None:
    train, test = parts
    some = train.take(train.columns["user_id"] != 1)
    absent = int((test.columns["user_id"] == 1).sum())
    assert (
        f"{absent} held-out rows belong to users without a training row."
        in evaluate(Popularity(some), test, train=some).notes
    )


def test_unseen_says_how_many_rows_repeat_an_item_from_training(parts: split.Split) -> None:
    train, test = parts.train.batch(), parts.test.batch()
    had = set(zip(train.users.tolist(), train.items.tolist(), strict=True))
    repeated = sum(pair in had for pair in zip(test.users.tolist(), test.items.tolist(), strict=True))
    told = f"but never the held-out item itself: {repeated:,} rows repeat an item from training"
    assert any(told in note for note in evaluate(Popularity(parts.train), parts.test, train=parts.train).notes)
    alone = evaluate(Popularity(parts.train), parts.test, train=parts.train, protocols=["all items"])
    assert not any("`unseen` leaves out" in note for note in alone.notes)


def test_notes_say_what_was_measured(parts: split.Split) -> None:
    report = evaluate(Popularity(parts.train), parts.test, train=parts.train, about=parts.report)
    assert report.notes[0] == parts.report
    assert report.notes[1].startswith("100 held-out rows, each item ranked among 30; ties pessimistic")
    assert isinstance(report, Report)


def test_nothing_is_said_of_rankings_where_there_are_none(parts: split.Split) -> None:
    for system in (build(parts.train, Rating("rating")), GlobalMean(parts.train)):
        assert evaluate(system, parts.test, train=parts.train, about=parts.report).notes == [parts.report]


def test_every_module_gets_its_mode_back(parts: split.Split) -> None:
    train, test = parts
    model = build(train, Rating("rating"), Dot()).train()
    model.item.eval()
    before = [module.training for module in model.modules()]
    evaluate(model, test, train=train)
    assert [module.training for module in model.modules()] == before
    assert all(parameter.grad is None for parameter in model.parameters())


def test_nan_scores_are_refused_with_the_task_and_the_ids(parts: split.Split) -> None:
    train, test = parts
    user, item = (test.frame()[key][0] for key in ("user_id", "item_id"))
    first = test.items.vocab.ids[0]
    for task, words in (
        (Dot(), rf"the score of user_id \d+ and item_id {first} is NaN, which has no rank; did the training diverge\?"),
        (Rating("rating"), rf"the score of held-out row 0 \(user_id {user}, item_id {item}\) is NaN; did the train"),
    ):
        model = build(train, task)
        for parameter in model.parameters():
            nn.init.constant_(parameter, torch.nan)
        with pytest.raises(DataError, match=f"task '{task.name}': {words}"):
            evaluate(model, test, train=train)


def test_item_tower_with_context_is_refused(parts: split.Split) -> None:
    train, test = parts
    model = build(train, Dot())
    model.item.context = ("hour",)
    with pytest.raises(ConfigError, match=r"the item tower reads the context hour, .*: the catalogue cannot be ranked"):
        evaluate(model, test, train=train)


def test_popularity_on_movielens(movielens: EventLog) -> None:
    train, test = split.random(movielens, train=80_000, test=20_000, seed=42)
    report = evaluate(Popularity(train), test, train=train)
    assert report["popularity/all items/hit_rate@100"] == pytest.approx(0.296, abs=0.01)
    assert report["popularity/unseen/hit_rate@100"] == pytest.approx(0.413, abs=0.01)
    assert report["popularity/unseen/hit_rate@10"] == pytest.approx(0.090, abs=0.006)


def test_ks_limit_metrics_of_any_length_and_leave_others(parts: split.Split) -> None:
    train, test = parts
    report = evaluate(build(train, Dot(), Rating("rating")), test, train=train, ks=(2, 7))
    assert {key.rsplit("/", 1)[-1] for key in report} == {
        "hit_rate@2",
        "hit_rate@7",
        "recall@5",
        "ndcg@7",
        "rmse",
        "mae",
    }
    assert isinstance(Rating("rating").metrics()["rmse"], RMSE)


@pytest.mark.parametrize("ties", ["pessimistic", "average"])
def test_no_rank_beyond_the_longest_list_is_computed(
    log: EventLog, ties: Ties, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name, value in (("ranks", "BLOCK", (8, 1)), ("contenders", "FEWEST", 8)):  # 30 items are many blocks
        monkeypatch.setattr(import_module(f"motet.metrics.{module}"), name, value)
    found = []
    for ranks in (both_ranks, places):

        def recorded(*args: Any, ranks: Callable[..., BothRanks] = ranks, **settings: Any) -> BothRanks:
            found.append(settings["within"])
            return ranks(*args, **settings)

        monkeypatch.setattr(f"motet.evaluation.corpus.{ranks.__name__}", recorded)
    train, test = split.random(log, train=300, test=100, seed=0)
    model = build(train, Retrieval())
    whole = evaluate(model, test, train=train, ties=ties, baselines=False)
    short = evaluate(model, test, train=train, ties=ties, baselines=False, ks=(1, 5), slices=["users"])
    assert found == [None, 10]  # of recall@10
    shared = {key for key in short if not key.endswith("mrr@5")}
    assert {key: short[key] for key in shared} == {key: whole[key] for key in shared}
    assert 0 < short["retrieval/unseen/mrr@5"] <= whole["retrieval/unseen/mrr"]


def test_test_users_without_a_positive_are_counted(parts: split.Split) -> None:
    train, test = parts
    clicks = torch.where(test.columns["user_id"] % 2 == 0, test.columns["click"], torch.nan)
    test = EventLog(test.schema, test.users, test.items, {**test.columns, "click": clicks})
    report = evaluate(build(train, Dot(needs=("click",))), test, train=train)
    users = len(test.columns["user_id"].unique())
    left = len(test.columns["user_id"][~clicks.isnan()].unique())
    words = f"clicks: {users - left} of {users} users have no held-out positive with a known item and are left out."
    assert words in report.notes
    assert report.judged("clicks/unseen/ndcg").users == left


def test_lists_longer_than_the_catalogue(parts: split.Split) -> None:
    train, test = parts
    report = evaluate(build(train, Retrieval()), test, train=train)
    words = "hit_rate@50, hit_rate@100: the list is longer than the catalogue of 30 items and contains all of it."
    assert words in report.notes
    with pytest.raises(ConfigError, match="ks names a list of 31 items, and there are 30; the longest can be 30"):
        evaluate(build(train, Retrieval()), test, train=train, ks=(5, 31))


class Constant(Popularity):
    """Scores everything alike."""

    def scores(self, users: Tensor, items: Tensor) -> Tensor:
        return torch.zeros(torch.broadcast_shapes(users.shape, items.shape))


class Told(Popularity):
    """Returns the label: it knows what each user of the test holds out."""

    answers: Tensor

    def scores(self, users: Tensor, items: Tensor) -> Tensor:
        return torch.isin(users * len(self.items) + items, self.answers).float()


@pytest.mark.parametrize(("ties", "rank"), [("pessimistic", 30.0), ("average", 15.5), ("optimistic", 1.0)])
def test_planted_scorers_and_the_tie_rule(parts: split.Split, ties: Ties, rank: float) -> None:
    """A constant scorer is worth nothing unless ties are broken in its favour; one that knows the answer is perfect."""
    train, test = parts
    users = test.columns["user_id"].tolist()
    one = test.take(torch.tensor([users.index(user) for user in set(users)]))
    told = Told(train)
    told.answers = one.batch().users * len(train.items) + one.batch().items
    constant, perfect = (
        evaluate(rule, one, train=train, protocols=["all items"], ks=(1, 5, ITEMS), ties=ties)
        for rule in (Constant(train), told)
    )
    assert constant["popularity/all items/mrr@30"] == pytest.approx(1 / rank)
    assert constant["popularity/all items/hit_rate@5"] == (rank <= 5)
    assert {figure for key, figure in perfect.items() if "all items" in key} == {1.0}
    assert any("mrr@30 is 1, which is too good to be true" in warning for warning in perfect.warnings)


class BetterHalf(HitRate):
    depth = ITEMS / 2 + 0.5  # type: ignore[assignment]

    def values(self, first: Tensor, second: Tensor) -> Tensor:  # noqa: ARG002
        return (first <= self.depth).double()


class Halved(Constant):
    def metrics(self) -> Mapping[str, Metric]:
        return {"half": BetterHalf(1)}


def test_ranks_are_computed_to_the_very_depth_of_a_metric(parts: split.Split) -> None:
    train, test = parts
    report = evaluate(Halved(train), test, train=train, ties="average")
    assert report["popularity/all items/half"] == 1


def test_keys_are_known_before_anything_is_measured() -> None:
    row = [float(each % 2) for each in range(40)]
    frame = pl.DataFrame({"user_id": [each % 5 for each in range(40)], "item_id": [each % 8 for each in range(40)]})
    frame = frame.with_columns(click=pl.Series(row), buy=pl.Series([row[each] * (each % 3 > 0) for each in range(40)]))
    log = EventLog.read(frame, Schema(signals=("click", "buy")))
    model = build(log, Dot(), Event("click"), Ordinal("buy"), Funnel(stages=("click", "buy")))
    model.prepare(log)
    report = evaluate(model, log, train=log, baselines=False)
    assert {key for task in model.tasks.values() for key in keys_of(task)} == set(report)
