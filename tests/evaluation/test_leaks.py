from __future__ import annotations

import polars as pl
import pytest
import torch

from motet import FeatureTower, Model, evaluate, fit, split
from motet.baselines import Popularity
from motet.data.log import EventLog
from motet.data.schema import Categorical, MultiValued, Numeric, Schema, Text
from motet.evaluation import leaks, leaky_features
from motet.tasks import Event, Rating, Retrieval

ROWS = 400
CONTEXT = {
    "copy": Numeric(),
    "flipped": Numeric(),
    "noisy": Numeric(),
    "only_if": Numeric(),
    "word": Categorical(),
    "hint": Numeric(),
    "honest": Numeric(),
    "each": Categorical(),
}


def planted() -> EventLog:
    """Labels that chance gives, and columns of the events that give them away in different ways."""
    generator = torch.Generator().manual_seed(0)

    def uniform() -> list[float]:
        return torch.rand(ROWS, generator=generator, dtype=torch.float64).tolist()

    bought, noise, honest = [float(value < 0.1) for value in uniform()], uniform(), uniform()
    stars = [1.0 + int(5 * value) for value in uniform()]
    items = [int(30 * value) for value in uniform()]
    frame = pl.DataFrame(
        {
            "user_id": [int(20 * value) for value in uniform()],
            "item_id": items,
            "time": list(range(ROWS)),
            "bought": bought,
            "stars": stars,
            "copy": bought,
            "flipped": [3.0 - value for value in bought],
            "noisy": [value + 0.9 * other for value, other in zip(bought, noise, strict=True)],
            "only_if": [1.0 if value else None for value in bought],
            "word": [f"s{value:g}" for value in stars],
            "hint": [value + 0.5 * other for value, other in zip(stars, noise, strict=True)],
            "honest": honest,
            "each": [f"row{row}" for row in range(ROWS)],
        }
    )
    schema = Schema(time="time", signals=("bought", "stars"), context_features=CONTEXT)
    return EventLog.read(frame, schema)


def test_rows_of_the_training_in_the_test_are_counted() -> None:
    log = planted()
    train, test = split.by_time(log, test=0.25)
    assert leaks.duplicated_rows(test, train) == []
    words = "5 of 100 test rows are training rows as well, equal in every column, so that the model has seen their"
    some = log.take(torch.cat([torch.arange(5), torch.arange(305, 400)]))
    (found,) = leaks.duplicated_rows(some, train)
    assert found.startswith(words)
    assert found in evaluate(Popularity(train), some, train=train).warnings
    other = EventLog.read(pl.DataFrame({"user_id": [1, 1], "item_id": [2, 2]}), Schema())
    assert leaks.duplicated_rows(other, other) == [], "without a time, two events may be equal"


def test_columns_that_hold_the_answer_are_named() -> None:
    found = leaky_features.leaky_features(planted(), [Event("bought"), Rating("stars"), Retrieval()])
    named = [warning.split(" predicts the label ")[0] for warning in found]
    assert named == [f"context {name!r}" for name in ("copy", "flipped", "noisy", "only_if", "word", "hint")]
    assert found[0].startswith("context 'copy' predicts the label 'bought': AUC 1.0000 on 400 training rows; remove it")
    assert "the label 'stars': share of variance 1.0000 on 400 training rows" in found[-2]


def test_only_the_rows_of_a_task_are_looked_at() -> None:
    log = planted()
    assert leaky_features.leaky_features(log, [Event("bought", where="honest > 2")]) == []  # not one
    assert leaky_features.leaky_features(log.take(slice(0, 20)), [Event("bought")]) == []  # too few to tell
    assert leaky_features.leaky_features(log.take(slice(0, 0)), [Event("bought")]) == []


def test_what_is_known_of_items_and_users_is_looked_at() -> None:
    items = pl.DataFrame(
        {
            "item_id": range(30),
            "secret": ["sold" if item < 10 else "left" for item in range(30)],
            "tags": [["new", "sold"] if item < 10 else ["new"] for item in range(30)],
            "title": [f"thing {'gone' if item < 10 else item}" for item in range(30)],
            "price": [float(item) for item in range(30)],
            "fair": ["a" if item % 3 else "b" for item in range(30)],
        }
    )
    events = {"user_id": [row % 9 for row in range(ROWS)], "item_id": [row * 7 % 30 for row in range(ROWS)]}
    frame = pl.DataFrame(events | {"bought": [float(row * 7 % 30 < 10) for row in range(ROWS)]})
    frame = frame.with_columns(spent=pl.col("bought") * 3.0 + 0.5 * pl.col("bought"))
    kinds = {"secret": Categorical(), "tags": MultiValued(), "title": Text(), "price": Numeric(), "fair": Categorical()}
    log = EventLog.read(frame, Schema(signals=("bought", "spent"), item_features=kinds), items=items)
    found = leaky_features.leaky_features(log, [Event("bought"), Rating("spent")])
    named = [warning.split(":")[0] for warning in found]
    for label in ("bought", "spent"):
        for name in ("secret", "tags", "title", "price"):
            assert f"item feature {name!r} predicts the label {label!r}" in named
    assert not any("fair" in name for name in named)


def suspected(seed: int) -> tuple[EventLog, list[str]]:
    """A log in which users, items and honest columns say much about a click, and what is told of its columns."""
    generator = torch.Generator().manual_seed(seed)
    rows, users, items = 2000, 60, 40

    def normal(size: int) -> torch.Tensor:
        return torch.randn(size, generator=generator, dtype=torch.float64)

    user, item = (torch.randint(size, (rows,), generator=generator) for size in (users, items))
    price, position, hint = normal(items), torch.randint(1, 11, (rows,), generator=generator), normal(rows)
    logits = 1.5 * normal(users)[user] - 1.5 * price[item] - 0.3 * position + 2 * hint
    clicked = (torch.rand(rows, generator=generator) < logits.sigmoid()).double()
    pair = user * items + item
    own = (torch.bincount(pair, clicked)[pair] + clicked.mean()) / (torch.bincount(pair)[pair] + 1)
    hour = torch.randint(24, (rows,), generator=generator)
    columns = {"position": position, "hour": hour, "hint": hint, "own": own, "noisy": clicked + 0.4 * normal(rows)}
    frame = pl.DataFrame({"user_id": user.tolist(), "item_id": item.tolist(), "clicked": clicked.tolist()})
    frame = frame.with_columns(pl.Series(name, values.tolist()) for name, values in columns.items())
    told = pl.DataFrame({"item_id": range(items), "price": price.tolist()})
    schema = Schema(
        signals=("clicked",), item_features={"price": Numeric()}, context_features=dict.fromkeys(columns, Numeric())
    )
    log = EventLog.read(frame, schema, items=told)
    return log, leaky_features.leaky_features(log, [Event("clicked")])


@pytest.mark.parametrize("seed", range(5))
def test_what_knows_more_of_the_event_than_user_and_item_is_suspicious(seed: int) -> None:
    log, found = suspected(seed)
    named = [warning.split(" predicts the label ")[0] for warning in found]
    assert named == ["context 'own'", "context 'noisy'"]
    words = "'clicked' suspiciously well: AUC 0.9"
    assert all(words in warning and "far more than users and items do" in warning for warning in found)
    few = log.take((log.columns["clicked"] == 1).nonzero()[:40, 0])
    rest = log.take((log.columns["clicked"] == 0).nonzero()[:300, 0])
    assert len(few) == 40
    frame = pl.concat([few.frame(), rest.frame()])
    assert leaky_features.leaky_features(log.encode(frame), [Event("clicked")]) == [], "too few clicks to suspect"


def test_features_of_items_that_decide_are_not_suspicious() -> None:
    generator = torch.Generator().manual_seed(0)
    item = torch.randint(30, (ROWS,), generator=generator)
    clicked = (torch.rand(ROWS, generator=generator) < torch.where(item < 15, 0.97, 0.03)).double()
    frame = pl.DataFrame({"user_id": [row % 9 for row in range(ROWS)], "item_id": item.tolist()})
    frame = frame.with_columns(clicked=pl.Series(clicked.tolist()))
    items = pl.DataFrame({"item_id": range(30), "good": [float(row < 15) for row in range(30)]})
    log = EventLog.read(frame, Schema(signals=("clicked",), item_features={"good": Numeric()}), items=items)
    assert 0.95 < leaky_features._by_size(log.items.features["good"].values[log.batch().items], clicked).figure < 0.99  # type: ignore[union-attr]
    assert leaky_features.leaky_features(log, [Event("clicked")]) == []


def test_chance_is_no_leak() -> None:
    generator = torch.Generator().manual_seed(1)
    codes = torch.randint(150, (ROWS,), generator=generator)
    labels = (torch.rand(ROWS, generator=generator) < 0.05).double()
    for told in (leaky_features._by_groups(codes, labels), leaky_features._by_size(codes.float(), labels)):
        assert 0 < told.figure < 0.8
    assert leaky_features._by_groups(torch.arange(ROWS), labels).figure == 0, "alone in its group, no row tells"


def test_a_value_that_few_rows_share_leaks_too() -> None:
    generator = torch.Generator().manual_seed(1)
    labels = torch.rand(ROWS, generator=generator) < 0.3
    orders = 2 * torch.randint(ROWS, (ROWS,), generator=generator) + labels.long()  # an order has one outcome
    found = leaky_features._by_groups(orders, labels.double())
    assert found.figure == 1
    assert found.rows == sum(int((orders == order).sum()) > 1 for order in orders)
    stars = torch.randint(1, 6, (ROWS,), generator=generator)
    assert leaky_features._by_groups(5 * orders + stars, stars.double()).figure == 1


def test_random_rows_come_before_training_rows_of_the_same_user() -> None:
    log = planted()
    train, test = split.random(log, test=0.25, seed=0)
    last = {}
    for user, time in zip(train.batch().users.tolist(), train.columns["time"].tolist(), strict=True):
        last[user] = max(time, last.get(user, time))
    rows = zip(test.batch().users.tolist(), test.columns["time"].tolist(), strict=True)
    early = sum(time < last.get(user, time) for user, time in rows)
    (warning,) = leaks.interleaved_rows(test, train)  # a share would be 0 % for a few
    assert warning.startswith(f"{early:,} of {len(test):,} test rows precede a training row of the same user")
    for honest in (split.by_time(log, test=0.25), split.leave_last_out(log)):
        assert leaks.interleaved_rows(honest.test, honest.train) == []


def test_the_same_rows_are_found_whatever_their_times_are_written_as() -> None:
    """Seconds in training and text in the test are whole numbers and decimals, which did not join."""
    frame = pl.DataFrame({"user_id": [1, 1], "item_id": [1, 2], "time": [1717178400, 1717178460]})
    train = EventLog.read(frame, Schema(time="time"))
    test = train.encode(frame.with_columns(time=pl.Series(["2024-05-31T18:00:00Z", "2024-05-31T19:00:00Z"])))
    (warning,) = leaks.duplicated_rows(test, train)
    assert warning.startswith("1 of 2 test rows are training rows as well")


def test_without_a_time_there_is_no_before() -> None:
    frame = pl.DataFrame({"user_id": [1, 1], "item_id": [1, 2]})
    log = EventLog.read(frame, Schema())
    assert leaks.interleaved_rows(log.take(slice(0, 1)), log.take(slice(1, 2))) == []


def test_who_and_what_training_lacks_is_counted() -> None:
    frame = pl.DataFrame({"user_id": [1, 1, 2, 3, 3], "item_id": [1, 2, 2, 3, 1]})
    log = EventLog.read(frame, Schema())
    assert leaks.unseen_entities(log.take(slice(2, 5)), log.take(slice(0, 2))) == [
        "2 of 2 test users have no training row",
        "1 of 3 test items have no training row",
    ]
    assert leaks.unseen_entities(log, log) == []
    strangers = log.encode(pl.DataFrame({"user_id": [9, 1], "item_id": [1, 8]}))
    assert leaks.unseen_entities(strangers, log) == [
        "1 test rows have unknown users",
        "1 test rows have unknown items",
    ]


def test_types_of_events_that_training_lacks_are_counted() -> None:
    frame = pl.DataFrame({"user_id": [1, 1, 1], "item_id": [1, 1, 1], "kind": ["view", "buy", None]})
    log = EventLog.read(frame, Schema(event="kind"))
    spelled = log.encode(frame.with_columns(pl.col("kind").str.to_uppercase()))
    told = ["3 of 3 test rows have a value of 'kind' that no training row has, or none"]
    assert leaks.unseen_entities(spelled, log.take(slice(0, 2))) == told
    assert leaks.unseen_entities(log, log) == []
    assert leaks.unseen_entities(log, log.take(slice(1, 3)))[0].startswith("1 of 3")


def test_figures_that_are_too_good() -> None:
    figures = {"a/auc": 0.9995, "b/auc": 0.99, "r/rmse": 0.01, "s/rmse": 0.5, "t/mae": 1e-9}
    figures |= {"x/unseen/ndcg@10": 1.0, "x/unseen/hit_rate@100": 1.0, "n/auc": float("nan")}
    found = leaks.implausible_metrics(figures, {"global mean": {"r/rmse": 1.1, "s/rmse": 1.1}}, catalogue=9)
    assert [warning.split(" is ")[0] for warning in found] == ["a/auc", "r/rmse", "t/mae", "x/unseen/ndcg@10"]
    assert found[0].startswith("a/auc is 0.9995, which is too good to be true: look for a feature that holds the label")


def test_a_ranking_that_a_simple_rule_gets_right_too_is_no_leak() -> None:
    figures = {"x/unseen/ndcg@10": 1.0, "x/unseen/mrr": 1.0, "a/auc": 1.0}
    found = leaks.implausible_metrics(
        figures, {"popularity": {"x/unseen/ndcg@10": 1.0, "x/unseen/mrr": 0.9}}, catalogue=2
    )
    assert [warning.split(" is ")[0] for warning in found] == ["x/unseen/mrr", "a/auc"]


@pytest.mark.parametrize("rules", [True, False])
def test_a_catalogue_of_one_item_is_no_leak(rules: bool) -> None:
    log = EventLog.read(pl.DataFrame({"user_id": [1, 2, 3, 4], "item_id": [7, 7, 7, 7]}), Schema())
    train, test = log.take(slice(0, 3)), log.take(slice(3, 4))
    model = Model(user=FeatureTower(log.users, dim=2), item=FeatureTower(log.items, dim=2), tasks=[Retrieval()])
    for system in (model, Popularity(train)):
        report = evaluate(system, test, train=train, ks=(1,), baselines=rules)
        assert not any("too good" in warning for warning in report.warnings)


@pytest.mark.parametrize(("rows", "told"), [(20, False), (60, True)])
def test_perfect_on_a_few_rows_is_chance(rows: int, told: bool) -> None:
    log = EventLog.read(
        pl.DataFrame({"user_id": range(rows), "item_id": [0, 1] * (rows // 2), "bought": [0.0, 1.0] * (rows // 2)}),
        Schema(signals=("bought",)),
    )
    model = Model(user=FeatureTower(log.users, dim=2), item=FeatureTower(log.items, dim=2), tasks=[Event("bought")])
    fit(model, log, epochs=60, progress=False)
    report = evaluate(model, log, train=log)
    assert report["bought/auc"] == 1
    assert any("bought/auc is 1, which is too good" in warning for warning in report.warnings) == told


def test_a_model_without_labels_has_nothing_to_leak() -> None:
    log = planted()
    model = Model(user=FeatureTower(log.users, dim=2), item=FeatureTower(log.items, dim=2), tasks=[Retrieval()])
    assert leaky_features.leaky_features(log, model.tasks.values()) == []
