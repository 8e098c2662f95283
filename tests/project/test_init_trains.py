"""Whatever the log looks like: the file that init writes passes the check, and trains on the same data."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from motet.data import simulate
from motet.project import Project, check
from motet.project.init import init
from motet.recommender import Recommender

from .conftest import long, wide


def choose(values: list[Any], rows: int, seed: int = 0) -> list[Any]:
    generator = random.Random(seed)
    return [generator.choice(values) for _ in range(rows)]


def shown() -> pl.DataFrame:
    """A funnel, and columns of the event."""
    return wide().with_columns(
        returned=pl.col("bought") * (pl.int_range(pl.len()) % 12 == 0).cast(pl.Int64),
        device=pl.Series(choose(["tv", "phone", None], 240)),
        isWeekend=pl.Series(choose([True, False], 240, 1)),
        list_position=pl.Series(choose([*range(1, 30)], 240, 2)),
        ship_price=pl.Series(choose([1.25, 3.5, 9.75], 240, 3)),
        session=pl.Series([f"s{row // 3}" for row in range(240)]),
        dwell=pl.Series([0.1 * row for row in range(240)]),
    )


def judged() -> pl.DataFrame:
    """A row an event: stars of reviews, thumbs of views."""
    thumbs = pl.when(pl.col("event") == "view").then(pl.int_range(pl.len()) // 8 % 2)
    return long().with_columns(thumb=thumbs, device=pl.Series(choose(["tv", "phone"], 240)))


def clashing() -> pl.DataFrame:
    """Kinds of events that make one name, or that of a column."""
    kinds = pl.Series(choose(["rating", "add to cart", "add-to-cart", "it's", "RETURN"], 240))
    return (
        long()
        .with_columns(event=kinds)
        .with_columns(rating=pl.when(pl.col("event") == "rating").then(pl.int_range(pl.len()) % 5))
    )


def late() -> pl.DataFrame:
    """Nobody buys before the last days."""
    return wide().with_columns(bought=((pl.col("day") > 10) & (pl.col("clicked") == 1)).cast(pl.Int64))


def last() -> pl.DataFrame:
    """Users that come once and buy at the end of it."""
    rows = 160
    return pl.DataFrame(
        {
            "uid": [row // 4 for row in range(rows)],
            "item": choose([*"abcdefghij"], rows),
            "action": ["buy" if row % 4 == 3 else "view" for row in range(rows)],
            "ts": [1_700_000_000 + row for row in range(rows)],
        }
    )


def odd() -> pl.DataFrame:
    """Names that go in backticks, and truths as booleans."""
    return pl.DataFrame(
        {
            "User ID": choose([*range(9)], 120),
            "Item ID": choose([*range(11)], 120, 1),
            "class": choose([0, 1], 120, 2),
            "like it?": choose([True, False], 120, 3),
            "like": choose([True, False, None], 120, 4),
            "when": [f"2024-01-{1 + row // 5:02}T10:00:00" for row in range(120)],
        }
    )


def little() -> pl.DataFrame:
    return pl.DataFrame({"user_id": choose([*range(3)], 12), "item_id": choose([*range(4)], 12, 1)})


FRAMES: dict[str, Callable[[], pl.DataFrame]] = {
    **{frame.__name__: frame for frame in (wide, long, shown, judged, clashing, late, last, odd, little)},
    "shop": lambda: simulate.shop(40, 25, impressions=1_500, purchase_rate=0.05, click_rate=0.3, seed=1).log.frame(),
}


@pytest.mark.parametrize("name", FRAMES)
def test_what_init_writes_trains(tmp_path: Path, name: str) -> None:
    frame, events = FRAMES[name](), tmp_path / ("log.csv" if name in ("shown", "odd") else "log.parquet")
    frame.write_csv(events) if events.suffix == ".csv" else frame.write_parquet(events)
    output = tmp_path / "motet.toml"
    output.write_text(init(events, output, tables={}, known={}))
    assert all(counts["train"] > 0 for counts in check(Project.read(output)).rows.values())
    trained = Project.read(output, ["training.epochs=1"]).train(progress=False)
    answer = Recommender(trained.model, trained.rows.train).recommend(trained.log.users.vocab.ids[0], 2)
    assert len(answer.ids) > 0


def tables(tmp_path: Path, frame: pl.DataFrame) -> dict[str, Any]:
    frame.write_parquet(tmp_path / "log.parquet")
    text = init(tmp_path / "log.parquet", tmp_path / "motet.toml", tables={}, known={})
    (tmp_path / "written.toml").write_text(text)
    return tomllib.loads(text)


def test_a_funnel_and_its_context(tmp_path: Path) -> None:
    found = tables(tmp_path, shown())
    kinds = {"device": "Categorical", "isWeekend": "Categorical", "list_position": "Numeric", "ship_price": "Numeric"}
    assert found["schema"]["context_features"] == kinds
    assert found["towers"]["user"]["kind"] == "ContextTower"
    assert found["towers"]["user"]["context"] == list(kinds)
    assert found["towers"]["item"]["kind"] == "FeatureTower"
    (funnel,) = [task for task in found["tasks"] if task["kind"] == "Funnel"]
    assert funnel["stages"] == ["clicked", "bought", "returned"]
    assert funnel["stage"] == "bought"
    assert not [task for task in found["tasks"] if task["kind"] == "Event"]
    assert {"dwell", "session"}.isdisjoint(found["schema"]["signals"])
    told = (tmp_path / "written.toml").read_text().replace("\n# ", " ")
    assert (
        "not used: dwell (240 different in 240 rows: a quantity. To learn from it, add it to signals; then the" in told
    )
    assert "the positives of a task may be 'dwell >= 12', or a Rating predicts it, if it has a long tail as a" in told
    assert told.count("a quantity") == 1


def test_labels_of_some_kinds_of_events(tmp_path: Path) -> None:
    found = {task.get("name", task.get("label")): task for task in tables(tmp_path, judged())["tasks"]}
    assert found["thumb"] == {"kind": "Event", "label": "thumb", "where": "event == 'view'"}
    assert found["value"]["where"] == "event == 'review'"


def test_names_of_tasks_differ(tmp_path: Path) -> None:
    names = [task.get("name", task.get("label")) for task in tables(tmp_path, clashing())["tasks"]]
    assert sorted(names) == ["add_to_cart", "find_add_to_cart", "find_rating", "it_s", "rating", "value"][: len(names)]


def test_kinds_of_events_in_a_column_of_any_name(tmp_path: Path) -> None:
    named = tables(tmp_path, long().rename({"event": "event type"}))
    assert named["schema"]["event"] == "event type"
    found = {task.get("name", task.get("label")): task for task in named["tasks"]}
    assert found["purchase"]["positives"] == "`event type` == 'purchase'"
    assert found["purchase"]["negatives"] == "`event type` == 'return'"
    assert found["value"]["where"] == "`event type` == 'review'"


def test_kinds_of_events_in_codes(tmp_path: Path) -> None:
    codes = long().with_columns(behavior_type=pl.col("event").rank("dense").cast(pl.Int64)).drop("event")
    found = {task.get("name", task.get("label")): task for task in tables(tmp_path, codes)["tasks"]}
    assert found["behavior_type_6"]["positives"] == "behavior_type == 6"
    assert found["value"]["where"] == "behavior_type == 5"


def test_no_name_of_a_task_is_refused(tmp_path: Path) -> None:
    frame = long().with_columns(
        pl.col("event").replace("view", "served"),
        (pl.int_range(pl.len()) // 8 % 4).alias("served"),
        pl.col("value").alias("stars/5"),
    )
    found = tables(tmp_path, frame)
    assert {"find_served", "value"} <= {task.get("name", task.get("label")) for task in found["tasks"]}
    text = (tmp_path / "written.toml").read_text()
    for name in ("served", "stars/5"):
        assert f"# not used: {name} (no task can have this name, which would be that of its label: rename the" in text
    assert {"served", "stars/5"}.isdisjoint(found["schema"]["signals"])


@pytest.mark.parametrize("frame", [late, last])
def test_no_split_leaves_a_label_out_of_training(tmp_path: Path, frame: Callable[[], pl.DataFrame]) -> None:
    assert tables(tmp_path, frame())["split"] == {"kind": "random", "test": 0.2, "seed": 0}
