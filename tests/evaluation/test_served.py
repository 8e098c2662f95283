from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor

from motet import FeatureTower, Model, Recommender, evaluate, split
from motet.baselines import Popularity, Recommends, Touched
from motet.data.log import EventLog
from motet.data.lookup import Ids
from motet.data.schema import Categorical, MultiValued, Schema, Text
from motet.errors import ConfigError, DataError
from motet.evaluation import served
from motet.evaluation.demand import Demand
from motet.evaluation.item_attributes import item_attributes
from motet.index import TopK
from motet.tasks import Rating, Retrieval

USERS, ITEMS = 14, 25


class Shelf:
    """Recommends the same items to everyone, less those a user had; of those last ids, nothing."""

    def __init__(self, train: EventLog, order: list[str]) -> None:
        self.train, self.order = train, order

    def recommend(
        self,
        users: Ids,
        k: int = 10,
        *,
        exclude_seen: bool = True,
        exclude: Ids = (),  # noqa: ARG002
        only: Ids | None = None,  # noqa: ARG002
    ) -> TopK:
        assert exclude_seen
        lines = []
        frame = self.train.frame()
        for user in list(users):  # type: ignore[arg-type]
            had = frame.filter(pl.col("user_id") == user)["item_id"].to_list()
            left = [item for item in self.order if item not in had][:k]
            lines.append(left + [None] * (k - len(left)))
        ids = np.array(lines, dtype=object).reshape(-1, k)
        return TopK(ids, torch.zeros(ids.shape))

    def predict(self, users: Ids, items: Ids) -> Mapping[str, Tensor]:
        raise NotImplementedError


@pytest.fixture
def parts() -> split.Split:
    generator = torch.Generator().manual_seed(0)
    users, items = (torch.randint(size, (260,), generator=generator).tolist() for size in (USERS, ITEMS))
    frame = pl.DataFrame(
        {
            "user_id": [f"u{user}" for user in users],
            "item_id": [f"i{item}" for item in items],
            "stars": [float(1 + row % 5) for row in range(260)],
            "genres": [[f"g{item % 4}", f"g{item % 3}"] for item in items],
            "maker": [f"m{item % 6}" if item % 5 else None for item in items],
            "title": [f"thing number {item}" for item in items],
        }
    )
    kinds = {"genres": MultiValued(), "maker": Categorical(), "title": Text()}
    return split.random(EventLog.read(frame, Schema(signals=("stars",), item_features=kinds)), test=0.4, seed=1)


def order(train: EventLog) -> list[str]:
    ids: list[str] = train.items.vocab.ids.to_list()
    return ids[::-1][:18]


def test_what_does_not_count_as_seen_may_be_served(parts: split.Split) -> None:
    train, test = parts.train, parts.test
    model = Model(
        user=FeatureTower(train.users, dim=4, features=()),
        item=FeatureTower(train.items, dim=4, features=()),
        tasks=[Retrieval()],
    )
    model.prepare(train)
    pairs = {
        name: set(zip(*log.frame()["user_id", "item_id"], strict=True))
        for name, log in (("train", train), ("test", test))
    }
    liked = train.frame().filter(pl.col("stars") >= 4)
    for seen, barred in ((None, pairs["train"]), ("stars >= 4", set(zip(*liked["user_id", "item_id"], strict=True)))):
        found = served.evaluate_lists(
            Recommender(model, train, seen=seen), {}, test, train=train, ks=(25,), condition=None, preference=None
        )
        assert len(found.own.evidence.users) == len(pairs["test"] - barred)
        assert f"{len(pairs['test'] & barred):,} held-out pairs" in " ".join(found.notes)


def test_a_baseline_is_judged_by_what_it_learns_from_and_recommends_again(parts: split.Split) -> None:
    train, test = parts
    rule = Touched(train, "stars <= 3", where="stars >= 4")
    had, new = (log.frame().filter(pl.col("stars") >= 4)["user_id", "item_id"].unique() for log in (train, test))
    lists = {user: rule.recommend(user, k=10).ids for user in new["user_id"]}
    pairs = new.join(had, on=["user_id", "item_id"], how="anti").rows()
    report = evaluate(rule, test, train=train)
    assert report.judged("served/unseen/hit_rate@10").rows == len(pairs)
    hits = [item in lists[user] for user, item in pairs]
    touched = set(train.frame().filter(pl.col("stars") <= 3)["user_id", "item_id"].rows())
    assert any(hit and pair in touched for hit, pair in zip(hits, pairs, strict=True))
    assert report["served/unseen/hit_rate@10"] == pytest.approx(sum(hits) / len(pairs))


def test_lists_are_judged_by_what_users_turned_to(parts: split.Split) -> None:
    train, test = parts
    demand = Demand.of(test, train, torch.ones(len(test), dtype=torch.bool))
    shelf: Recommends = Shelf(train, order(train))
    lists = served.served_lists(shelf, demand, train, 7).items
    found = served.list_evidence(lists, demand, [3, 7]).figures()

    had = {user: set(rows["item_id"]) for (user,), rows in train.frame().group_by("user_id")}
    wanted = {u: set(rows["item_id"]) - had.get(u, set()) for (u,), rows in test.frame().group_by("user_id")}
    assert demand.repeated == sum(len(set(r["item_id"]) & had[u]) for (u,), r in test.frame().group_by("user_id"))
    wanted = {user: items for user, items in wanted.items() if items}
    for k in (3, 7):
        top = {user: [item for item in shelf.order if item not in had.get(user, set())][:k] for user in wanted}  # type: ignore[attr-defined]
        hits = {user: [place for place, item in enumerate(top[user], 1) if item in wanted[user]] for user in wanted}
        people, pairs = len(wanted), sum(map(len, wanted.values()))
        ideal = {user: sum(1 / math.log2(1 + n) for n in range(1, min(k, len(wanted[user])) + 1)) for user in wanted}
        assert found[f"served/unseen/hit_rate@{k}"] == pytest.approx(sum(map(len, hits.values())) / pairs)
        recall = sum(len(hits[user]) / len(wanted[user]) for user in wanted) / people
        assert found[f"served/unseen/recall@{k}"] == pytest.approx(recall)
        assert found[f"served/unseen/precision@{k}"] == pytest.approx(sum(map(len, hits.values())) / k / people)
        gains = {user: sum(1 / math.log2(1 + place) for place in hits[user]) for user in wanted}
        ndcg = sum(gains[user] / ideal[user] for user in wanted) / people
        assert found[f"served/unseen/ndcg@{k}"] == pytest.approx(ndcg)
        first = sum(1 / hits[user][0] for user in wanted if hits[user]) / people
        assert found[f"served/unseen/mrr@{k}"] == pytest.approx(first)


def test_users_are_asked_for_in_blocks(parts: split.Split, monkeypatch: pytest.MonkeyPatch) -> None:
    train, test = parts
    demand = Demand.of(test, train, torch.ones(len(test), dtype=torch.bool))
    whole = served.served_lists(Popularity(train), demand, train, 5).items
    monkeypatch.setattr(served, "USERS", 3)
    assert torch.equal(served.served_lists(Popularity(train), demand, train, 5).items, whole)


def test_what_is_no_list_for_each_user_is_refused(parts: split.Split) -> None:
    users = len(Demand.of(parts.test, parts.train, torch.ones(len(parts.test), dtype=torch.bool)).users)

    class Fixed(Shelf):
        def __init__(self, ids: np.ndarray) -> None:
            self.ids = ids

        def recommend(self, *_: object, **__: object) -> TopK:
            return TopK(self.ids, torch.zeros(self.ids.shape))

    for shape in ((users - 1, 3), (users, 4), (users,)):
        words = re.escape(f"Fixed.recommend returned ids of shape {list(shape)} for {users} users and k=3; it must be")
        with pytest.raises(DataError, match=words):
            evaluate(Fixed(np.full(shape, "i1", dtype=object)), parts.test, train=parts.train, ks=(3,))
    twice = Fixed(np.full((users, 3), parts.train.items.vocab.ids[0], dtype=object))
    with pytest.raises(DataError, match=r"gives user '\w+' the item '\w+' more than once; a list holds an item once"):
        evaluate(twice, parts.test, train=parts.train, ks=(3,))


def test_what_no_list_can_hold_is_left_out_and_counted(parts: split.Split) -> None:
    train, test = parts
    strangers = train.encode(test.frame().with_columns(user_id=pl.lit("nobody")).head(5))
    nobody = Demand.of(strangers, train, torch.ones(5, dtype=torch.bool))
    assert (len(nobody.users), nobody.unknown) == (0, 5)
    lists = served.served_lists(Popularity(train), nobody, train, 4).items
    figures = served.list_evidence(lists, nobody, [4]).figures() | served.beyond_accuracy(lists, nobody, [4])
    assert all(math.isnan(figure) for figure in figures.values())
    notes = Demand.of(test, train, torch.ones(len(test), dtype=torch.bool)).notes(4, None)
    assert "held-out pairs of a user and an item were seen in training and cannot be served" in notes[1]
    assert "5 held-out rows have an unknown user or item" in nobody.notes(4, None)[1]


def test_lists_of_all_candidates_are_what_the_ranks_say(parts: split.Split) -> None:
    train, test = parts
    first = test.take(Demand.of(test, train, torch.ones(len(test), dtype=torch.bool)).rows)
    model = Model(user=FeatureTower(train.users, dim=4), item=FeatureTower(train.items, dim=4), tasks=[Retrieval()])
    demand = Demand.of(first, train, torch.ones(len(first), dtype=torch.bool))
    lists = served.served_lists(Recommender(model, train), demand, train, 10).items
    found = served.list_evidence(lists, demand, [10]).figures()
    ranked = evaluate(model, first, train=train, baselines=False)
    for name in ("hit_rate@10", "recall@10", "ndcg@10"):
        assert found[f"served/unseen/{name}"] == pytest.approx(ranked[f"retrieval/unseen/{name}"])


@pytest.mark.parametrize(("score", "told"), [(0.7, True), (0.0, False), (math.nan, False), (None, False)])
def test_lists_whose_order_says_nothing_are_told(parts: split.Split, score: float | None, told: bool) -> None:
    train, test = parts

    class Flat(Shelf):
        def recommend(self, *arguments: Any, **options: Any) -> TopK:
            ids = super().recommend(*arguments, **options).ids
            return TopK(ids, torch.zeros(0) if score is None else torch.full(ids.shape, score))

    words = "served: every one of 14 lists holds items of one and the same score; their order says nothing"
    assert (words in evaluate(Flat(train, order(train)), test, train=train).warnings) == told
    assert words not in evaluate(Popularity(train), test, train=train).warnings


def test_what_a_foreign_system_lists_is_looked_at(parts: split.Split) -> None:
    train, test = parts
    ids = train.items.vocab.ids.to_list()

    class Fixed(Shelf):
        def recommend(self, users: Ids, k: int = 10, **_: object) -> TopK:
            lists = np.array([[*self.order[: k - 1], None]] * len(list(users)), dtype=object)  # type: ignore[arg-type]
            return TopK(lists, torch.zeros(lists.shape))

    report = evaluate(Fixed(train, ["new", *ids]), test, train=train, ks=(4,))
    had = len(train.frame().filter(pl.col("item_id").is_in(ids[:2]))["user_id", "item_id"].unique())
    assert "served: 14 of 42 listed items are not in the training log, and count as wrong answers" in report.warnings
    told = f"served: {had} of 42 listed items were seen in training by their user, and count as wrong answers"
    assert told in report.warnings
    assert "seen in training" not in report.notes[-2]
    own = evaluate(Popularity(train), test, train=train, ks=(4,))
    assert "users, without items seen in training, evaluated on" in " ".join(own.notes)
    assert "wrong answers" not in " ".join([*own.warnings, *evaluate(Shelf(train, ids), test, train=train).warnings])
    words = "Fixed.recommend returned the item 7; ids of 'item_id' are text: return them as the training log has them"
    with pytest.raises(DataError, match=words):
        evaluate(Fixed(train, ["new", 7]), test, train=train, ks=(4,))  # type: ignore[list-item]


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_a_recommender_of_one_score_for_all_is_told(parts: split.Split, value: float) -> None:
    train, test = parts
    model = Model(user=FeatureTower(train.users, dim=4), item=FeatureTower(train.items, dim=4), tasks=[Retrieval()])
    model.prepare(train)
    words = "of one and the same score; their order says nothing"
    assert words not in " ".join(evaluate(Recommender(model, train), test, train=train).warnings)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(value)
    report = evaluate(Recommender(model, train), test, train=train)
    assert f"served: every one of 14 lists holds items {words}" in report.warnings


def test_items_are_what_is_declared_of_them(parts: split.Split) -> None:
    train, _ = parts
    attributes = item_attributes(Popularity(train), train)
    assert attributes is not None
    assert attributes.name == "the items' genres, maker"
    for row, id in enumerate(train.items.vocab.ids.to_list(), 1):
        number = int(id[1:])
        values = {f"g{number % 4}", f"g{number % 3}"} | ({f"m{number % 6}"} if number % 5 else set())
        assert int(attributes.items.starts.diff()[row]) == len(values)
    lengths = torch.zeros(ITEMS + 1).index_add_(
        0, torch.repeat_interleave(attributes.items.starts.diff()), attributes.items.values.float().square()
    )
    assert lengths[1:].tolist() == pytest.approx([1.0] * ITEMS)


def test_without_features_items_are_the_vectors_of_the_model() -> None:
    log = EventLog.read(pl.DataFrame({"user_id": [1, 2, 3], "item_id": [1, 2, 2]}), Schema())
    assert item_attributes(Popularity(log), log) is None
    model = Model(user=FeatureTower(log.users, dim=3), item=FeatureTower(log.items, dim=3), tasks=[Retrieval()])
    attributes = item_attributes(Recommender(model, log), log)
    assert attributes is not None
    assert "item vectors of the model" in attributes.name
    assert attributes.items.starts.tolist() == [0, 0, 3, 6]


def test_which_rows_are_positives(parts: split.Split) -> None:
    train, test = parts
    stars = test.columns["stars"]
    towers = {"user": FeatureTower(train.users, dim=2), "item": FeatureTower(train.items, dim=2)}
    model = Model(**towers, tasks=[Rating("stars"), Retrieval(positives="stars >= 4")])  # type: ignore[arg-type]
    assert torch.equal(served.positives(None, Recommender(model, train), test), stars >= 4)
    assert torch.equal(served.positives("stars == 5", Recommender(model, train), test), stars == 5)
    assert served.positives(None, Popularity(train), test).all()
    several = [Retrieval("low", positives="stars <= 2"), Retrieval("five", positives="stars == 5"), Retrieval("all")]
    model = Model(**towers, tasks=several)  # type: ignore[arg-type]
    assert torch.equal(served.positives(None, Recommender(model, train), test), stars <= 2)
    both = Recommender(model, train, retrieve=[["five", "low"]])
    assert torch.equal(served.positives(None, both, test), (stars <= 2) | (stars == 5))
    rating = Model(**towers, tasks=[Rating("stars")])  # type: ignore[arg-type]
    assert served.positives(None, Recommender(rating, train), test).all()
    with pytest.raises(ConfigError, match="positives='stars > 9' holds for not one of 104 test rows"):
        served.positives("stars > 9", Popularity(train), test)
