from __future__ import annotations

import copy
import math
import statistics
from collections.abc import Mapping

import numpy as np
import polars as pl
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from motet import ranker, scorer
from motet.data.batch import Batch
from motet.data.entities import Entities
from motet.data.log import EventLog
from motet.data.schema import Numeric, Schema
from motet.errors import ConfigError, DataError
from motet.evaluation import evaluate
from motet.metrics.base import Metric
from motet.model import Model
from motet.recommender import Recommender
from motet.tasks import Retrieval
from motet.tasks.base import CorpusTask, Task
from motet.towers import FeatureTower, PretrainedTower, aligned
from motet.towers.base import Tower

USERS, ITEMS = 12, 30


class TableTower(Tower):
    """Small whole numbers, so that every sum is exact and scores often tie."""

    def __init__(self, entities: Entities, *, seed: int, dim: int = 4) -> None:
        super().__init__()
        self.entities, self.dim = entities, dim
        generator = torch.Generator().manual_seed(seed)
        self.table = torch.nn.Parameter(torch.randint(-3, 4, (len(entities), dim), generator=generator).float())

    def forward(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        return self.table[batch[self.entities.key]]


class Dot(CorpusTask):
    def build(self, user: Tower, item: Tower) -> None: ...

    def loss(self, user: Tensor, item: Tensor, batch: Batch) -> Tensor:
        return -self.score(user, item, batch)

    def queries(self, user: Tensor, batch: Batch) -> Tensor:
        assert len(batch) == len(user)
        return user

    def candidates(self, item: Tensor, batch: Batch) -> Tensor:
        assert len(batch.items) == len(item)
        return item

    def score(self, user: Tensor, item: Tensor, batch: Batch) -> Tensor:
        assert len(batch.users) == len(batch.items)
        return (user * item).sum(-1)

    def metrics(self) -> Mapping[str, Metric]:
        return {}


class Stars(Task):
    """Reads the rows as well as the vectors."""

    def build(self, user: Tower, item: Tower) -> None: ...

    def loss(self, user: Tensor, item: Tensor, batch: Batch) -> Tensor:
        return self.score(user, item, batch)

    def score(self, user: Tensor, item: Tensor, batch: Batch) -> Tensor:
        return ((user[..., 0] - item[..., 1]).abs() + batch.items % 5 + (batch.users > 0) * 7).float()

    def metrics(self) -> Mapping[str, Metric]:
        return {}


def make_log(ids: str = "text") -> EventLog:
    """Users u01 to u11 have events; u12 is listed alone, as are some items."""
    generator = torch.Generator().manual_seed(5)
    users = torch.randint(1, USERS, (120,), generator=generator).tolist()
    items = torch.randint(1, ITEMS - 3, (120,), generator=generator).tolist()
    name = "{}{:02d}".format if ids == "text" else lambda _, n: n
    events = pl.DataFrame({"user_id": [name("u", n) for n in users], "item_id": [name("i", n) for n in items]})
    return EventLog.read(
        events,
        Schema(),
        users=pl.DataFrame({"user_id": [name("u", n) for n in range(1, USERS + 1)]}),
        items=pl.DataFrame({"item_id": [name("i", n) for n in range(1, ITEMS + 1)]}),
    )


def make_model(log: EventLog, *, tasks: list[Task] | None = None, **weights: float) -> Model:
    return Model(
        user=TableTower(log.users, seed=1),
        item=TableTower(log.items, seed=2),
        tasks=tasks or [Dot("dot"), Stars("stars")],
        weights=weights,
    )


@pytest.fixture
def log() -> EventLog:
    return make_log()


@pytest.fixture
def recommender(log: EventLog) -> Recommender:
    return Recommender(make_model(log), log)


def seen_items(log: EventLog, user: str) -> set[str]:
    return set(log.frame().filter(pl.col("user_id") == user)["item_id"])


def item_ids() -> list[str]:
    return [f"i{n:02d}" for n in range(1, ITEMS + 1)]


def reference(
    recommender: Recommender, user: str, allowed: list[str], k: int, candidates: int, by: Mapping[str, float]
) -> tuple[list[str], list[float]]:
    """Retrieve by dot, standardise, add up, sort; ties go to the better retrieved, then to the lower row."""
    scores = {
        name: dict(zip(allowed, part.tolist(), strict=True))
        for name, part in recommender.predict(user, allowed).items()
    }
    found = sorted(allowed, key=lambda item: (-scores["dot"][item], item))[:candidates]
    total = dict.fromkeys(found, 0.0)
    for name, weight in by.items():
        column = [scores[name][item] for item in found]
        mean, std = statistics.mean(column), statistics.pstdev(column)
        for item in found:
            total[item] += weight * ((scores[name][item] - mean) / std if std else 0.0)
    order = sorted(found, key=lambda item: -round(total[item], 5))[:k]
    return order, [total[item] for item in order]


@pytest.mark.parametrize("by", [{"dot": 1.0, "stars": 1.0}, {"dot": 0.7, "stars": -0.3}, {"stars": 1.0}])
@pytest.mark.parametrize("candidates", [1, 9, 500])
def test_equals_the_loop(recommender: Recommender, log: EventLog, by: dict[str, float], candidates: int) -> None:
    for user in ("u01", "u05", "u11"):
        allowed = [item for item in item_ids() if item not in seen_items(log, user)]
        top = recommender.recommend(user, 8, candidates=candidates, by=by)
        _, scores = reference(recommender, user, allowed, 8, max(8, candidates), by)
        torch.testing.assert_close(top.scores.tolist(), scores, atol=1e-4, rtol=1e-4)
        assert set(top.ids) <= set(allowed)
        assert len(set(top.ids)) == 8
        assert bool(top.known)


def test_the_weights_of_the_model_are_the_default(recommender: Recommender, log: EventLog) -> None:
    weighted = Recommender(make_model(log, dot=2.0, stars=0.5), log).recommend("u03", 5)
    assert weighted.ids.tolist() == recommender.recommend("u03", 5, by={"dot": 2.0, "stars": 0.5}).ids.tolist()


def test_task_scores_are_those_of_predict(recommender: Recommender) -> None:
    top = recommender.recommend("u07", 6)
    for name, scores in recommender.predict("u07", top.ids.tolist()).items():
        assert torch.equal(top.tasks[name], scores)


def test_many_users_are_answered_like_each(recommender: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    users = ["u04", "nobody", "u01", "u12", "u04"]
    for pairs in (1 << 16, 40):
        monkeypatch.setattr(ranker, "PAIRS", pairs)
        monkeypatch.setattr(scorer, "PAIRS", pairs)
        many = recommender.recommend(users, 7, candidates=20)
        assert many.ids.shape == many.scores.shape == many.tasks["dot"].shape == (5, 7)
        assert many.known.tolist() == [True, False, True, False, True]
        for user, answer in zip(users, many.each(), strict=True):
            one = recommender.recommend(user, 7, candidates=20)
            assert one.ids.tolist() == answer.ids.tolist()
            torch.testing.assert_close(one.scores, answer.scores)


def test_exactly_what_is_allowed(recommender: Recommender, log: EventLog) -> None:
    seen, only = seen_items(log, "u02"), ["i01", "i02", "i28", "i29", "i30"]
    assert set(recommender.recommend("u02", 30).ids) == set(item_ids()) - seen
    assert set(recommender.recommend("u02", 30, exclude_seen=False).ids) == set(item_ids())
    assert set(recommender.recommend("u02", 30, only=only).ids) == set(only) - seen
    assert set(recommender.recommend("u02", 30, only=only, exclude=["i29", "i05"]).ids) == set(only) - seen - {"i29"}
    assert recommender.recommend("u02", 30, only=[]).ids.tolist() == []
    assert recommender.recommend("u02", 30, only="i30").ids.tolist() == ["i30"]
    late = pl.col("item_id") >= "i28"
    assert set(recommender.recommend("u02", 30, only=late).ids) == {"i28", "i29", "i30"} - seen
    assert not {"i28", "i29", "i30"} & set(recommender.recommend("u02", 30, exclude=late).ids)
    nothing = recommender.recommend(["u02", "nobody"], 3, exclude=item_ids())
    assert nothing.ids.shape == (2, 0)


def test_shorter_lines_are_filled_up(recommender: Recommender, log: EventLog) -> None:
    only = sorted(seen_items(log, "u02"))[:3]
    top = recommender.recommend(["u02", "u12"], 3, only=only)
    assert top.ids[0].tolist() == [None, None, None]
    assert set(top.ids[1]) == set(only)
    assert top.scores[0].isneginf().all()
    assert top.tasks["dot"][0].isnan().all()
    assert [len(answer.ids) for answer in top.each()] == [0, 3]


def test_unknown_users_get_what_is_popular(recommender: Recommender, log: EventLog) -> None:
    counts = log.frame()["item_id"].value_counts().sort(["count", "item_id"], descending=[True, False])
    for user in ("nobody", "u12"):  # u12 is listed, without events and without features
        top = recommender.recommend(user, 5, exclude=[counts["item_id"][1]])
        assert not top.known
        assert top.ids.tolist() == counts["item_id"].gather([0, 2, 3, 4, 5]).to_list()
        assert top.scores.tolist() == counts["count"].gather([0, 2, 3, 4, 5]).to_list()
        assert top.tasks["stars"].isfinite().all()


def test_unknown_users_are_scored_as_the_mean_of_the_known(recommender: Recommender) -> None:
    mean = recommender.scorer.everyone[1:USERS].mean(0)
    items = recommender.scorer.items
    torch.testing.assert_close(recommender.predict("nobody", "i03")["dot"], mean @ items[3])


def test_users_without_events_but_with_features_are_known() -> None:
    log = EventLog.read(
        pl.DataFrame({"user_id": ["a"], "item_id": ["x"]}),
        Schema(user_features={"age": Numeric()}),
        users=pl.DataFrame({"user_id": ["a", "b"], "age": [30, 40]}),
    )
    known = Recommender(make_model(log), log).recommend(["a", "b", "c"], 1).known
    assert known.tolist() == [True, True, False]


@pytest.mark.parametrize(("pretrained", "known"), [(False, [True, False, False]), (True, [True, True, False])])
def test_features_that_the_tower_does_not_read_make_nobody_known(pretrained: bool, known: list[bool]) -> None:
    """The vector of an id without events is as it was drawn; a pretrained vector means something without them."""
    log = EventLog.read(
        pl.DataFrame({"user_id": ["a", "a"], "item_id": ["x", "y"]}),
        Schema(user_features={"age": Numeric()}),
        users=pl.DataFrame({"user_id": ["a", "b", "c"], "age": [30, 40, 50]}),
    )
    user: Tower = FeatureTower(log.users, dim=4, features=())
    if pretrained:
        user = PretrainedTower(log.users, aligned(log.users, ["b"], torch.ones(1, 3)), dim=4, features=())
    model = Model(user=user, item=FeatureTower(log.items, dim=4), tasks=[Retrieval()])
    top = Recommender(model, log).recommend(["a", "b", "c"], 1, exclude_seen=False)
    assert top.known.tolist() == known


def test_without_a_task_that_retrieves_every_item_is_a_candidate(log: EventLog) -> None:
    for model in (make_model(log, tasks=[Stars("stars")]), make_model(log, dot=0.0)):
        top = Recommender(model, log).recommend("u06", 30, candidates=1)
        assert set(top.ids) == set(item_ids()) - seen_items(log, "u06")
        assert top.tasks["stars"].tolist() == sorted(top.tasks["stars"].tolist(), reverse=True)


def test_predict_pairs(recommender: Recommender) -> None:
    one = recommender.predict("u01", "i02")
    assert {name: scores.shape for name, scores in one.items()} == {"dot": (), "stars": ()}
    row = recommender.predict("u01", ["i02", "i03"])["dot"]
    column = recommender.predict(["u01", "u02"], "i02")["dot"]
    pairs = recommender.predict(["u01", "u02"], ["i02", "i03"])["dot"]
    assert row[0] == column[0] == pairs[0] == one["dot"]
    assert pairs[1] == recommender.predict("u02", "i03")["dot"]
    assert recommender.predict("u01", [])["dot"].shape == (0,)


def cosines(vectors: Tensor, row: int) -> list[float]:
    return [float(torch.nn.functional.cosine_similarity(vectors[row], other, dim=0)) for other in vectors]


def test_similar_items_and_users(recommender: Recommender) -> None:
    for side, ask, vectors, size in (
        ("i", recommender.similar_items, recommender.scorer.items, ITEMS),
        ("u", recommender.similar_users, recommender.scorer.everyone, USERS),
    ):
        top = ask([f"{side}03", f"{side}11"], 6)
        assert top.ids.shape == (2, 6)
        for own, answer in zip((3, 11), top.each(), strict=True):
            expected = sorted(
                (cosine for row, cosine in enumerate(cosines(vectors, own)) if row not in (0, own)), reverse=True
            )
            torch.testing.assert_close(answer.scores.tolist(), expected[:6], atol=1e-5, rtol=0)
            assert f"{side}{own:02d}" not in answer.ids
        everyone_else = ask(f"{side}03", size - 1)
        assert len(set(everyone_else.ids)) == size - 1
        assert everyone_else.tasks == {}


def test_ids_that_are_numbers() -> None:
    log = make_log("numbers")
    recommender = Recommender(make_model(log), log)
    top = recommender.recommend(np.int64(4), 3, exclude=[1, 2], only=range(1, 20))
    assert all(type(item) is int for item in top.ids)
    assert recommender.recommend(pl.Series([4, 99]), 3).known.tolist() == [True, False]
    assert recommender.recommend(np.array([4, 5]), 3).ids.shape == (2, 3)
    with pytest.raises(
        DataError, match=r"column 'user_id' holds text such as '4', but its known ids are whole numbers"
    ):
        recommender.recommend("4", 3)
    with pytest.raises(DataError, match=r"item 31 is not among the 30 known items; their ids lie between 1 and 30"):
        recommender.predict(4, 31)


def test_refuses(recommender: Recommender) -> None:
    cases = [
        (lambda: recommender.recommend("u01", 0), r"k=0; it must be at least 1 and at most 30, the number of items"),
        (lambda: recommender.recommend("u01", 31), r"k=31; it must be at least 1 and at most 30, the number of items"),
        (lambda: recommender.recommend("u01", 3, candidates=0), r"candidates=0; it must be at least 1$"),
        (
            lambda: recommender.similar_items("i01", 30),
            r"k=30; it must be at least 1 and at most 29, the number of other items",
        ),
        (
            lambda: recommender.similar_users("u01", 0),
            r"k=0; it must be at least 1 and at most 11, the number of other users",
        ),
        (
            lambda: recommender.recommend("u01", 3, by={"star": 1.0}),
            r"by names 'star', which is no task of the model; did you mean 'stars'\? Tasks: dot, stars",
        ),
        (
            lambda: recommender.recommend("u01", 3, by={"stars": math.nan}),
            r"by gives task 'stars' the weight nan; it must be a finite number",
        ),
        (
            lambda: recommender.recommend("u01", 3, by={"stars": 0.0}),
            r"every task has weight 0, .*; give one of dot, stars",
        ),
        (lambda: recommender.recommend("u01", 3, by={}), r"every task has weight 0, .*; give one of dot, stars"),
        (
            lambda: recommender.predict(["u01", "u02"], ["i01"]),
            r"2 users and 1 items make no pairs; give as many of both",
        ),
    ]
    for call, words in cases:
        with pytest.raises(ConfigError, match=words):
            call()


def test_unknown_items_are_named(recommender: Recommender) -> None:
    for call in (
        lambda: recommender.predict("u01", "i3"),
        lambda: recommender.similar_items("i3"),
        lambda: recommender.recommend("u01", exclude=["i3"]),
        lambda: recommender.recommend("u01", only=["i03", "i3"]),
    ):
        with pytest.raises(DataError, match=r"item 'i3' is not among the 30 known items; did you mean 'i30'\?"):
            call()
    with pytest.raises(DataError, match=r"user 'u99' is not among the 12 known users"):
        recommender.similar_users("u99", 1)


def test_it_answers_under_autocast_and_in_float64(recommender: Recommender, log: EventLog) -> None:
    expected = recommender.predict("u01", ["i01", "i02"])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = Recommender(recommender.model, log).predict("u01", ["i01", "i02"])
        assert len(recommender.recommend("u01", 3).ids) == 3
    precise = Recommender(copy.deepcopy(recommender.model).double(), log).predict("u01", ["i01", "i02"])
    for name, scores in expected.items():
        assert rounded[name].dtype == scores.dtype
        assert (rounded[name] - scores).abs().max() < 0.1 * scores.abs().max()
        assert precise[name].double().numpy() == pytest.approx(scores.double().numpy(), rel=1e-4)


def test_weights_of_half_precision_are_refused(recommender: Recommender, log: EventLog) -> None:
    half = copy.deepcopy(recommender.model).bfloat16()
    with pytest.raises(ConfigError, match="is bfloat16; weights are float32 or float64: call model"):
        Recommender(half, log)
    with pytest.raises(ConfigError, match="is bfloat16; weights are float32 or float64: call model"):
        evaluate(half, log, train=log)


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("wrong", [None, 1.0])
def test_what_is_no_id_is_named(recommender: Recommender, wrong: object) -> None:
    with pytest.raises(DataError, match=f"^{wrong} is not an id; ids are text or whole numbers"):
        recommender.recommend(wrong)  # type: ignore[arg-type]


def test_no_users_no_answers(recommender: Recommender) -> None:
    top = recommender.recommend([], 3)
    assert top.ids.shape == top.scores.shape == (0, 0)
    assert list(top.each()) == []


def test_refuses_a_model_without_tasks(log: EventLog) -> None:
    model = Model(user=TableTower(log.users, seed=1), item=TableTower(log.items, seed=2), tasks=[])
    with pytest.raises(
        ConfigError, match=r"a Model without tasks has no scores; give it at least one task: tasks=\[...\]"
    ):
        Recommender(model, log)


def test_refuses_towers_that_read_context(log: EventLog) -> None:
    model = make_model(log)
    model.user.context = ("hour",)
    with pytest.raises(
        ConfigError, match=r"the tower of 'user_id' reads the context hour, which a request does not have"
    ):
        Recommender(model, log)
