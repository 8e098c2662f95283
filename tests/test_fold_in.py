from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import polars as pl
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from motet.data.batch import Batch
from motet.data.log import EventLog
from motet.data.recent import recent
from motet.data.schema import Categorical, MultiValued, Numeric, Schema
from motet.data.visitors import Visitors
from motet.errors import ConfigError, DataError
from motet.model import Model
from motet.recommender import Recommender
from motet.tasks import Rating, Retrieval, Task
from motet.towers import (
    ContentTower,
    ContextTower,
    FeatureTower,
    FieldTower,
    HashedTower,
    HistoryTower,
    PretrainedTower,
    SequenceTower,
    Tower,
)
from motet.towers.context import context_columns

USERS = 12
TOWERS: dict[str, Callable[[EventLog], Tower]] = {
    "feature": lambda log: FeatureTower(log.users, dim=8),
    "deep": lambda log: FeatureTower(log.users, dim=8, hidden=(8,), cross_layers=1),
    "field": lambda log: FieldTower(log.users, field_dim=2),
    "hashed": lambda log: HashedTower(log.users, rows=40, dim=8),
    "history": lambda log: HistoryTower(log.users, log.items, dim=8),
    "context": lambda log: ContextTower(log.users, context=context_columns(log), dim=8),
    "pretrained": lambda log: PretrainedTower(log.users, torch.full((len(log.users), 3), torch.nan), dim=8),
    "content": lambda log: ContentTower(log.users, dim=8),
}


def make_log() -> EventLog:
    """Users 1 to 12 with features, 13 in no table; items a00 to a19."""
    generator = torch.Generator().manual_seed(3)
    size = 90
    users = torch.randint(1, USERS + 1, (size,), generator=generator).tolist()
    items = [f"a{item:02d}" for item in torch.randint(0, 20, (size,), generator=generator).tolist()]
    events = pl.DataFrame(
        {"user": users, "item": items, "stars": [1.0, 4.0, 5.0] * (size // 3), "time": range(size)}
    ).with_columns(device=pl.Series(["tv", "phone"] * (size // 2)))
    table = pl.DataFrame(
        {
            "user": range(1, USERS + 1),
            "age": range(20, 20 + USERS),
            "gender": ["F", "M", None] * 4,
            "tags": [["x"], ["x", "y"], [], None] * 3,
        }
    )
    schema = Schema(
        user="user",
        item="item",
        time="time",
        signals=("stars",),
        user_features={"age": Numeric(), "gender": Categorical(), "tags": MultiValued()},
        context_features={"device": Categorical()},
    )
    return recent(EventLog.read(events, schema, users=table), 4)


def make(tower: Callable[[EventLog], Tower], log: EventLog) -> Recommender:
    torch.manual_seed(1)
    user = tower(log)
    model = Model(user=user, item=FeatureTower(log.items, dim=8), tasks=[Retrieval(), Rating("stars", biases=True)])
    user.prepare(log)
    return Recommender(model, log)


@pytest.fixture(scope="module")
def log() -> EventLog:
    return make_log()


@pytest.fixture(scope="module")
def featured(log: EventLog) -> Recommender:
    return make(TOWERS["feature"], log)


def features_of(log: EventLog, row: int) -> dict[str, object]:
    return {name: log.users.table[name][row - 1] for name in ("age", "gender")} | {
        "tags": log.users.table["tags"].to_list()[row - 1]
    }


def vector(recommender: Recommender, user: int, **asked: object) -> Tensor:
    return recommender.fold_in([user], **asked).vectors[0]  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", TOWERS)
def test_a_stranger_with_the_features_of_a_known_user_differs_by_the_id_alone(log: EventLog, kind: str) -> None:
    recommender = make(TOWERS[kind], log)
    tower = recommender.model.user
    for row in (1, 2, 3, 4):
        stranger = vector(recommender, 99, features=features_of(log, row))
        if isinstance(tower, HashedTower):
            tower.own = tower.table(torch.arange(len(log.users)), 0).detach()
            tower.own[row] = tower.own[1:].mean(0)
        elif not isinstance(tower, ContentTower):
            own = tower.ids.weight.data[row].clone()  # type: ignore[union-attr]
            tower.ids.weight.data[row] = tower.ids.weight.data[1:].mean(0)  # type: ignore[union-attr]
        if isinstance(tower, HistoryTower):
            stranger_history = log.frame().filter(pl.col("user") == row)["item"].to_list()
            stranger = vector(recommender, 99, features=features_of(log, row), histories={99: stranger_history})
        as_known = recommender.scorer.users(torch.tensor([row]))[0]
        if isinstance(tower, HashedTower):
            tower.own = None
        elif not isinstance(tower, ContentTower):
            tower.ids.weight.data[row] = own  # type: ignore[union-attr]
        torch.testing.assert_close(stranger, as_known)


def test_features_that_the_log_has_change_nothing(log: EventLog, featured: Recommender) -> None:
    for row in (1, 2, 3, 4):
        assert torch.equal(vector(featured, row, features=features_of(log, row)), vector(featured, row))
    older = vector(featured, 1, features={"age": 60})
    both = vector(featured, 1, features={"age": 60, "gender": None, "tags": ["never had"]})
    assert not torch.equal(older, vector(featured, 1))
    assert torch.equal(older, both)  # null, and what training never had, tell nothing


def test_a_history_is_the_trained_users_sum(log: EventLog) -> None:
    recommender = make(TOWERS["history"], log)
    tower = recommender.model.user
    assert isinstance(tower, HistoryTower)
    items = ["a03", "a07", "a03", "a11"]
    rows = log.items.vocab.encode(["a03", "a07", "a11"])
    nobody = vector(recommender, 99, features={"age": 30})
    vector_of_both = vector(recommender, 99, features={"age": 30}, histories={99: items})
    torch.testing.assert_close(vector_of_both - nobody, tower.others.weight[rows].sum(0).detach() / 3**0.5)
    frame = log.frame()
    rest = frame.filter(pl.col("user") == 5)["item"].unique().to_list()
    torch.testing.assert_close(vector(recommender, 5, histories={5: rest[:2]}), vector(recommender, 5))


def test_a_sequence_goes_on_where_the_log_ends(log: EventLog) -> None:
    recommender = make(lambda log: SequenceTower(log.users, log.items, length=4, dim=8), log)
    tower = recommender.model.user
    assert isinstance(tower, SequenceTower)
    last = log.items.vocab.decode(tower.last[5]).drop_nulls().to_list()
    torch.testing.assert_close(vector(recommender, 99, histories={99: last}), vector(recommender, 5))
    gone_on = vector(recommender, 5, histories={5: ["a01"]})
    torch.testing.assert_close(gone_on, vector(recommender, 99, histories={99: [*last, "a01"]}))
    assert not torch.allclose(gone_on, vector(recommender, 5, histories={5: ["a02"]}))


def test_a_linear_map_stands_in_where_a_tower_reads_no_history(featured: Recommender) -> None:
    """The vectors of users are made a linear function of their histories; then the map finds it again."""
    fold = featured.fold_in
    askers = fold(list(range(1, USERS + 1)))
    torch.testing.assert_close(vector(featured, 3, histories={3: []}), vector(featured, 3))
    had = featured.items.vocab.decode(askers.seen[2]).to_list()
    torch.testing.assert_close(vector(featured, 3, histories={3: had}), vector(featured, 3))
    stranger, mean = vector(featured, 99, histories={99: had}), vector(featured, 99)
    known = vector(featured, 3) - vector(featured, 3, histories={3: had})
    assert known.abs().max() < 1e-6
    items = featured.scorer.items
    profile = (items[askers.seen[2]] - fold.history_map.typical).sum(0) / (len(had) + 3)
    torch.testing.assert_close(stranger - mean, profile @ fold.history_map.weights)
    toward = vector(featured, 3, histories={3: ["a01", "a02"]}) - vector(featured, 3)
    both = vector(featured, 3, features={"age": 60}, histories={3: ["a01", "a02"]})
    torch.testing.assert_close(both - vector(featured, 3, features={"age": 60}), toward)


def test_items_of_the_request_are_left_out(log: EventLog, featured: Recommender) -> None:
    users = [5, 96, 97, 98, 99]
    table = pl.DataFrame({"user": [97, 98, 1, 99], "age": [33, None, 50, None], "shoe": [1, 2, 3, 4]})
    histories = {98: ["a00", "a01"], 97: "a02", 5: ["a03"]}
    top = featured.recommend(users, 20, features=table, histories=histories)
    assert top.basis.tolist() == ["known", "popularity", "history", "history", "popularity"]
    assert top.known.tolist() == [True, False, False, False, False]
    for user, answer in zip(users, top.each(), strict=True):
        gone = set(log.frame().filter(pl.col("user") == user)["item"]) | set(
            [histories.get(user, [])] if isinstance(histories.get(user), str) else histories.get(user, [])
        )
        assert set(answer.ids) == set(log.items.vocab.ids) - gone
    assert featured.recommend(97, 3, features={"age": 33}).basis == "features"
    assert len(featured.recommend(98, 20, histories={98: ["a00"]}, exclude_seen=False).ids) == 20


def test_a_stranger_without_features_or_events_gets_popularity(featured: Recommender) -> None:
    plain = featured.recommend(99, 5)
    for nothing in (
        {"features": {}},
        {"features": {"age": None}},
        {"features": {"gender": "X"}},
        {"histories": {}},
        {"histories": {99: []}},
    ):
        top = featured.recommend(99, 5, **nothing)  # type: ignore[arg-type]
        assert top.basis == "popularity"
        assert top.ids.tolist() == plain.ids.tolist()
        assert torch.equal(top.scores, plain.scores)


def test_many_are_answered_like_each_and_the_same_after_loading(featured: Recommender, tmp_path: Path) -> None:
    featured.save(tmp_path / "model")
    again = Recommender.load(tmp_path / "model")
    table = pl.DataFrame({"user": [98, 99, 2], "age": [21, 70, 44], "tags": [["y"], ["x", "y"], None]})
    histories = {99: ["a04"], 2: ["a05", "a06"]}
    many = featured.recommend([2, 98, 99, 3], 6, features=table, histories=histories)
    loaded = again.recommend([2, 98, 99, 3], 6, features=table.to_pandas(), histories=histories)
    assert many.ids.tolist() == loaded.ids.tolist()
    torch.testing.assert_close(many.scores, loaded.scores, rtol=0, atol=0)
    for user, answer in zip([2, 98, 99, 3], many.each(), strict=True):
        own = {user: histories[user]} if user in histories else {}
        one = featured.recommend(user, 6, features=table, histories=own)
        assert one.ids.tolist() == answer.ids.tolist()
        torch.testing.assert_close(one.scores, answer.scores)


def test_predict_is_what_recommend_says(featured: Recommender) -> None:
    asked: dict[str, object] = {"features": {"age": 41, "gender": "M"}, "histories": {99: ["a04", "a05"]}}
    top = featured.recommend(99, 4, **asked)  # type: ignore[arg-type]
    scored = featured.predict(99, top.ids.tolist(), **asked)  # type: ignore[arg-type]
    for name, scores in scored.items():
        torch.testing.assert_close(scores, top.tasks[name])
    assert not torch.equal(scored["stars"], featured.predict(99, top.ids.tolist())["stars"])


def test_refuses(log: EventLog, featured: Recommender) -> None:
    bare = make(lambda log: FeatureTower(log.users, dim=8, features=()), log)
    ask = partial(featured.recommend, 99, 3)
    cases: list[tuple[Callable[[], object], type[Exception], str]] = [
        (
            lambda: bare.recommend(99, 3, features={"age": 3}),
            ConfigError,
            r"the tower of 'user' reads no features, so passing features changes nothing; train one that does",
        ),
        (
            lambda: featured.recommend([98, 99], 3, features={"age": 3}),
            ConfigError,
            r"features=\{'age': 3\} are those of one user, and 2 are asked for; give a table .* the column 'user'",
        ),
        (lambda: ask(features={"age": "old"}), DataError, "^feature 'age' is 'old'; it must be a number, finite in 32"),
        (lambda: ask(features={"age": float("nan")}), DataError, "^feature 'age' is nan; it must be a number, finite"),
        (lambda: ask(features={"gender": 3}), DataError, "^feature 'gender' is 3; it must be text$"),
        (
            lambda: ask(features={"tags": [3]}),
            DataError,
            r"^feature 'tags' is \[3\]; it must be a list, each of its values text, or text joined by '\|'$",
        ),
        (
            lambda: ask(features=pl.DataFrame({"user": [98, 99], "age": ["1", "old"]})),
            DataError,
            "column 'age' of the table of features holds text, such as 'old' in row 1",
        ),
        (
            lambda: ask(features={"tags": [1, "a"]}),
            DataError,
            r"feature 'tags' has the value \[1, 'a'\]; give a number, a text, a time or a list of them",
        ),
        (
            lambda: ask(features=pl.DataFrame({"user": [99], "agee": [3]})),
            DataError,
            r"none of the columns 'agee' is a feature that the tower of 'user' reads; did you mean 'age'\?",
        ),
        (
            lambda: ask(features=pl.DataFrame({"user": [99, 99], "age": [3, 4]})),
            DataError,
            r"column 'user' of the table of features has the id 99 in row 0 and again in row 1",
        ),
        (
            lambda: ask(features=pl.DataFrame({"user": ["99"], "age": [3]})),
            DataError,
            r"holds text such as '99', but its known ids are whole numbers",
        ),
        (lambda: ask(features=pl.DataFrame({"age": [3]})), DataError, r"column 'user' is not in the table of features"),
        (
            lambda: ask(histories={9: ["a01"]}),
            ConfigError,
            r"histories names the user 9, who is not asked for; did you mean '99'\?",
        ),
        (lambda: ask(histories={99: ["b01"]}), DataError, r"item 'b01' is not among the 20 known items"),
    ]
    for call, kind, words in cases:
        with pytest.raises(kind, match=words):
            call()
    with pytest.raises(
        DataError,
        match=r"'agee' is not a feature that the tower of 'user' reads; did you mean 'age'\? It reads: age, gender",
    ):
        ask(features={"agee": 3})


def test_a_tower_without_for_visitors_still_serves_strangers(log: EventLog) -> None:
    class Bare(Tower):
        def __init__(self) -> None:
            super().__init__()
            self.entities, self.dim = log.users, 8
            self.table = torch.nn.Parameter(torch.randn(len(log.users), 8))

        def forward(self, batch: Batch) -> Float[Tensor, "batch dim"]:
            return self.table[batch["user"]]

    recommender = make(lambda _: Bare(), log)
    assert recommender.recommend(99, 3, histories={99: ["a01"]}).basis == "history"  # the linear map needs no twin
    with pytest.raises(ConfigError, match=r"a Bare cannot embed the users of a request: give the class a method `for"):
        recommender.model.user.for_visitors(Visitors(torch.tensor([0, 1])))


def test_events_of_the_request_count_as_seen_where_the_rule_may_hold() -> None:
    rows = [(1, "cup", "view"), (1, "pan", "buy"), (2, "pot", "view"), (2, "jug", "buy"), (2, "mug", "view")]
    shop = EventLog.read(
        pl.DataFrame(rows, ["user", "item", "event"], orient="row"), Schema(user="user", item="item", event="event")
    )
    model = Model(user=FeatureTower(shop.users, dim=4), item=FeatureTower(shop.items, dim=4), tasks=[Retrieval()])
    found = Recommender(model, shop, seen="event == 'buy'")

    def missing(**asked: object) -> set[str]:
        return {"cup", "pan", "pot", "jug", "mug"} - set(found.recommend(1, 5, **asked).ids)

    events = pl.DataFrame({"user": [1, 1, 1], "item": ["pot", "jug", "mug"], "event": ["view", "buy", None]})
    assert missing() == {"pan"}
    assert missing(histories=events) == {"pan", "jug", "mug"}
    assert missing(histories=events.drop("event")) == {"pan", "pot", "jug", "mug"}
    assert missing(histories={1: ["pot"]}) == {"pan", "pot"}
    views = found.recommend(9, 5, histories=events.with_columns(user=9, event=pl.lit("view")))
    assert views.basis == "history"
    assert len(views.ids) == 5
    torch.testing.assert_close(
        vector(found, 1, histories=events), vector(found, 1, histories={1: ["pot", "jug", "mug"]})
    )


@pytest.mark.parametrize("kind", ["history", "sequence"])
def test_a_tower_takes_in_what_its_own_condition_may_hold_for(kind: str) -> None:
    rows = [(1, "cup", "view", 1), (1, "pan", "buy", 2), (2, "pot", "view", 3), (2, "jug", "buy", 4)]
    schema = Schema(user="user", item="item", event="event", time="time")
    shop = EventLog.read(pl.DataFrame(rows, ["user", "item", "event", "time"], orient="row"), schema)
    shop = recent(shop, 4, where="event == 'buy'")
    towers: dict[str, Callable[[EventLog], Tower]] = {
        "history": lambda log: HistoryTower(log.users, log.items, where="event == 'buy'", dim=8),
        "sequence": lambda log: SequenceTower(log.users, log.items, length=4, dim=8),
    }
    torch.manual_seed(1)
    user = towers[kind](shop)
    model = Model(user=user, item=FeatureTower(shop.items, dim=8), tasks=[Retrieval()])
    user.prepare(shop)
    found = Recommender(model, shop)
    view = pl.DataFrame({"user": [1], "item": ["pot"], "event": ["view"]})
    bought = view.with_columns(event=pl.lit("buy"))
    alone, buys = vector(found, 1), vector(found, 1, histories=bought)
    torch.testing.assert_close(vector(found, 1, histories=view), alone)
    assert not torch.allclose(buys, alone)
    torch.testing.assert_close(vector(found, 1, histories=view.drop("event")), buys)
    torch.testing.assert_close(vector(found, 1, histories={1: ["pot"]}), buys)
    assert found.recommend(9, 2, histories=view.with_columns(user=9)).basis == "popularity"


def test_a_condition_on_context_rules_no_event_of_a_request_out(log: EventLog) -> None:
    recommender = make(lambda log: HistoryTower(log.users, log.items, where="device == 'tv'", dim=8), log)
    assert recommender.recommend(99, 3, histories={99: ["a01"]}).basis == "history"


def test_somebody_unknown_is_not_recommended_what_others_return(tmp_path: Path) -> None:
    """Items are popular by what the task that retrieves predicts, not by returns and exposures."""
    kinds = {1: ["buy", "return", "return"], 2: ["buy", "buy"], 3: ["show"] * 5}
    rows = [(user, item, kind) for user in range(6) for item, each in kinds.items() for kind in each]
    log = EventLog.read(pl.DataFrame(rows, ["user_id", "item_id", "event"], orient="row"), Schema(event="event"))

    def recommended(*tasks: Task) -> Recommender:
        model = Model(user=FeatureTower(log.users, dim=2), item=FeatureTower(log.items, dim=2), tasks=tasks)
        model.prepare(log)
        return Recommender(model, log)

    buy = Retrieval("buy", positives="event == 'buy'", negatives="event == 'return'")
    recommender = recommended(buy, Retrieval("show", positives="event == 'show'"))
    recommender.save(tmp_path / "model")
    for each in (recommender, Recommender.load(tmp_path / "model")):
        top = each.recommend(99, k=3)
        assert (top.ids.tolist(), top.scores.tolist()) == ([2, 1, 3], [12, 6, 0])
    assert recommended(Retrieval()).recommend(99, k=3).ids.tolist() == [3, 1, 2]
