"""Slices against loops over rows."""

from __future__ import annotations

from collections import Counter

import polars as pl
import pytest
import torch

from motet import FeatureTower, Model
from motet.baselines import GlobalMean, Popularity
from motet.data.log import EventLog
from motet.data.schema import Categorical, MultiValued, Numeric, Schema
from motet.errors import ConfigError
from motet.evaluation import evaluate
from motet.evaluation.slices import masks
from motet.tasks import Retrieval

SCHEMA = Schema(
    signals=("rating",),
    context_features={"hour": Numeric(), "device": Categorical()},
    user_features={"age": Numeric()},
    item_features={"genres": MultiValued()},
)

BEYOND = {f"{name}@10" for name in ("coverage", "gini", "novelty", "popularity_lift", "diversity")}


@pytest.fixture(scope="module")
def logs() -> tuple[EventLog, EventLog]:
    """Train and test; user 0 and item 0 are new, and one test user is not known at all."""
    generator = torch.Generator().manual_seed(0)
    weights = torch.arange(12).double()
    users, items = (torch.multinomial(weights, 300, replacement=True, generator=generator) for _ in range(2))
    hours, ratings = torch.rand(2, 300, generator=generator)

    def frame(rows: slice, users: list[int], items: list[int]) -> pl.DataFrame:
        device = [("web", "app", None)[user % 3] for user in users]
        columns = {"user_id": users, "item_id": items, "device": device}
        return pl.DataFrame(columns).with_columns(
            rating=pl.Series(ratings[rows].tolist()), hour=pl.Series(hours[rows].tolist())
        )

    events = frame(slice(0, 200), users[:200].tolist(), items[:200].tolist())
    people = pl.DataFrame({"user_id": range(12), "age": [20, 30, 40] * 4})
    things = pl.DataFrame({"item_id": range(12), "genres": [["a"], ["a", "b"], []] * 4})
    train = EventLog.read(events, SCHEMA, users=people, items=things)
    test_users, test_items = [0, 99, *users[202:].tolist()], [3, 0, *items[202:].tolist()]
    return train, train.encode(frame(slice(200, 300), test_users, test_items))


def test_users_and_items_by_their_training_rows(logs: tuple[EventLog, EventLog]) -> None:
    train, test = logs
    for family, most in (("users", "heavy"), ("items", "popular")):
        column = "user_id" if family == "users" else "item_id"
        known = Counter(train.columns[column].tolist())
        low, high = pl.Series(list(known.values())).quantile(0.25, "linear"), 0.0
        high = pl.Series(list(known.values())).quantile(0.75, "linear") or 0.0
        found = masks([family], test, train)
        for place, row in enumerate(test.columns[column].tolist()):
            count = known.get(row, 0)
            name = "new" if not count else "rare" if count <= (low or 0) else most if count >= high else "middle"
            assert [key for key, chosen in found.items() if chosen[place]] == [f"{family}: {name}"]
        assert set(found) == {f"{family}: {name}" for name in ("new", "rare", "middle", most)}


def test_visited_pairs(logs: tuple[EventLog, EventLog]) -> None:
    train, test = logs
    had = set(zip(*(train.columns[key].tolist() for key in ("user_id", "item_id")), strict=True))
    asked = zip(*(test.columns[key].tolist() for key in ("user_id", "item_id")), strict=True)
    found = masks(["visited"], test, train)
    assert found["visited: visited"].tolist() == [pair in had for pair in asked]
    assert torch.equal(found["visited: unvisited"], ~found["visited: visited"])


def test_columns(logs: tuple[EventLog, EventLog]) -> None:
    train, test = logs
    found = masks(["hour"], test, train)
    assert len(found) == 4
    assert all(23 <= int(chosen.sum()) <= 27 for chosen in found.values())
    assert bool((torch.stack(list(found.values())).sum(0) == 1).all())
    found = masks(["device"], test, train)
    assert set(found) == {"device: web", "device: app", "device: unknown"}
    users = torch.tensor([train.users.vocab.decode(test.columns["user_id"])[i] or -1 for i in range(100)])
    assert torch.equal(found["device: app"][2:], (users % 3 == 1)[2:])
    assert set(masks(["age"], test, train)) == {"age: 20", "age: 30", "age: 40", "age: unknown"}
    genres = masks(["genres"], test, train)
    assert set(genres) == {"genres: a", "genres: b"}
    assert bool((genres["genres: a"] | ~genres["genres: b"]).all()), "whoever has b has a"


def test_slices_are_what_their_rows_alone_give(logs: tuple[EventLog, EventLog]) -> None:
    train, test = logs
    report = evaluate(Popularity(train), test, train=train, slices=["users", "device"])
    for name, chosen in masks(["users", "device"], test, train).items():
        alone = evaluate(Popularity(train), test.take(chosen), train=train)
        part = report.slices[name]
        assert dict(part) == pytest.approx({key: alone[key] for key in part}, nan_ok=True)
        assert {key.rpartition("/")[2] for key in alone.keys() - part.keys()} == BEYOND  # of lists, not of rows
        key = "popularity/unseen/mrr"
        assert part.judged(key) == alone.judged(key)
        if part.judged(key).users > 1:
            assert part.interval(key) == alone.interval(key)


def test_slices_stand_in_text_and_json(logs: tuple[EventLog, EventLog]) -> None:
    train, test = logs
    report = evaluate(GlobalMean(train), test, train=train, slices=["visited", "age"])
    text = report.text(level=0.9)
    for words in ("visited", "unvisited", " users", " rows", "age", "0.9", " to "):
        assert words in text
    assert "0.9" not in str(report).splitlines()[1]
    found = report.to_dict(level=0.9)["slices"]["visited: unvisited"]
    assert found["figures"] == dict(report.slices["visited: unvisited"])
    assert found["judged"]["global mean/rmse"]["rows"] == int(
        masks(["visited"], test, train)["visited: unvisited"].sum()
    )
    assert found["intervals"].keys() == found["figures"].keys()
    assert "intervals" not in report.to_dict()


def test_rules_stand_beside_slices_whose_metrics_are_named_in_full(logs: tuple[EventLog, EventLog]) -> None:
    train, test = logs
    model = Model(user=FeatureTower(train.users), item=FeatureTower(train.items), tasks=[Retrieval("purchases")])
    report = evaluate(model, test, train=train, slices=["users", "genres", "items", "device"])
    part = report.slices["users: heavy"]
    alone = evaluate(Popularity(train), test, train=train, slices=["users"]).slices["users: heavy"]
    key = "unseen/ndcg@10"
    assert part.beside["popularity"][f"purchases/{key}"] == alone[f"popularity/{key}"]
    assert report.to_dict()["slices"]["users: heavy"]["beside"]["popularity"] == dict(part.beside["popularity"])
    for text in (str(report), report.text(level=0.95)):
        assert max(len(line) for line in text.splitlines() if line.startswith("│")) <= 100
        assert text.count("│ purchases/all items/hit_rate@100 ") == text.count("│ purchases/unseen/mrr ") > 3
        assert "│   popularity " in text


def test_a_single_value_is_no_list(logs: tuple[EventLog, EventLog]) -> None:
    train, test = logs
    with pytest.raises(ConfigError, match=r"slices='users'; it must be a list of texts; write slices=\('users',\)"):
        evaluate(Popularity(train), test, train=train, slices="users")


def test_unknown_family_is_refused(logs: tuple[EventLog, EventLog]) -> None:
    with pytest.raises(
        ConfigError, match=r"slice 'genre' is neither a family nor a column; did you mean 'genres'\? There"
    ):
        evaluate(Popularity(logs[0]), logs[1], train=logs[0], slices=["genre"])


def test_no_two_slices_of_a_column_share_a_name() -> None:
    """Times differ late in their digits, and a value may be called "unknown"; every row stays in a slice."""
    times = [1_700_000_000 + row for row in range(12)]
    schema = Schema(time="time", context_features={"device": Categorical(), "few": Numeric()})
    device = ["unknown", None, "web"] * 4
    few = [1_000_000.0, 1_000_001.0] * 6
    columns = {"user_id": range(12), "item_id": range(12), "time": times, "device": device, "few": few}
    log = EventLog.read(pl.DataFrame(columns), schema)
    found = masks(["time", "device", "few"], log, log)
    by_family = Counter(name.split(":")[0] for name in found)
    assert by_family == {"time": 4, "device": 2, "few": 2}
    assert {"few: 1000000", "few: 1000001", "device: unknown", "device: web"} <= set(found)
    for family in by_family:
        parts = torch.stack([mask for name, mask in found.items() if name.startswith(f"{family}:")])
        assert parts.sum(0).eq(1).all()
