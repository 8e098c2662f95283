from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from motet.errors import ConfigError, DataError
from motet.project import check

from .conftest import Tables, wide
from .test_project import project


def test_what_would_be_trained_on_what(folder: Path, tables: Tables) -> None:
    found = check(project(folder, tables))
    assert found.facts[0] == "EventLog(240 events, 12 users, 20 items; signals: clicked, bought, stars)"
    assert found.facts[1].startswith("Random rows, seed 3")
    assert found.facts[-1] == "Columns of wide.parquet that are not used: price, page."
    assert found.rows["retrieval"]["train"] + found.rows["retrieval"]["test"] == 80
    assert f"Task 'stars' (Rating, weight 1): {found.rows['stars']['train']} train rows" in " ".join(found.facts)
    (later,) = found.warnings
    assert "test rows precede a training row of the same user" in later


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("device=gpu", r"device='gpu' is not a device; write 'cpu'"),
        ("average=1.5", r"decay=1.5; the decay of an average must be in \[0, 1\)"),
        ("epochs=0", r"epochs=0; training takes at least one"),
        ("batch_size=0", r"batch_size=0; a batch holds at least one row"),
        ("clip_norm=-1.0", r"clip_norm=-1.0; it must be above 0"),
        ("optimizer.lr=nan", r"\[training\], optimizer: AdamW refuses its settings: Invalid learning rate: nan"),
        (f"seed={2**64}", r"\[training\]: seed = 18446744073709551616; it must be a number of at most 64 bits"),
    ],
)
def test_settings_of_the_training(folder: Path, tables: Tables, change: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check(project(folder, tables, f"training.{change}"))


def test_a_check_writes_no_checkpoint(folder: Path, tables: Tables) -> None:
    check(project(folder, tables, "training.checkpoint=run.safetensors"))
    assert not (folder / "run.safetensors").exists()


def test_features_that_say_nothing(folder: Path, tables: Tables) -> None:
    items = {
        "sku": [f"s{row}" for row in range(20)],
        "same": ["x"] * 20,
        "each": [f"e{row}" for row in range(20)],
        "nobody": [None] * 20,
        "alike": [["a"]] * 20,
        "own": [[f"o{row}"] for row in range(20)],
        "empty": [[]] * 20,
        "flat": [1.5] * 20,
        "blank": [None] * 20,
        "some": ["x", None] * 10,
        "good": ["x", "y"] * 10,
        "price": [float(row) for row in range(20)],
    }
    types = {"nobody": pl.String, "empty": pl.List(pl.String), "blank": pl.Float64}
    pl.DataFrame(items, schema_overrides=types).write_parquet(folder / "items.parquet")
    tables["data"]["items"] = "items.parquet"
    kinds = dict.fromkeys(("same", "each", "nobody", "some", "good"), "Categorical")
    kinds |= dict.fromkeys(("alike", "own", "empty"), "MultiValued") | dict.fromkeys(
        ("flat", "blank", "price"), "Numeric"
    )
    tables["schema"]["item_features"] = kinds
    warnings = [told for told in check(project(folder, tables)).warnings if "predicts the label" not in told]
    assert warnings[:-1] == [  # the last is of the split
        "item feature 'same' is the same for every item: it says nothing",
        "item feature 'each' is different for every item: it says no more than the id",
        "item feature 'nobody' is not known of any item: it says nothing",
        "item feature 'alike' is the same for every item: it says nothing",
        "item feature 'own' has no value that two items share: it says no more than the id",
        "item feature 'empty' is empty for every item: it says nothing",
        "item feature 'flat' is the same for every item: it says nothing",
        "item feature 'blank' is not known of any item: it says nothing",
    ]


def test_events_that_say_nothing(folder: Path, tables: Tables) -> None:
    frame = pl.read_parquet(folder / "wide.parquet").with_columns(one=1, site=pl.lit("a"), speed=2.5)
    frame.write_parquet(folder / "wide.parquet")
    tables["schema"]["signals"].append("one")
    tables["schema"]["context_features"] = {"page": "Categorical", "site": "Categorical", "speed": "Numeric"}
    tables["tasks"].append({"kind": "Rating", "label": "one", "where": "clicked == 1"})
    tables["weights"]["stars"] = 0
    assert check(project(folder, tables)).warnings[:-1] == [
        "signal 'one' is 1 in every row: nothing to predict",
        "column 'page' is different for every event: it says no more than the id",
        "column 'site' is the same for every event: it says nothing",
        "column 'speed' is the same for every event: it says nothing",
        "task 'stars' has weight 0: it is not trained",
        "task 'one' has only one value of 'one' to learn from: nothing to predict",
    ]


def test_times_that_look_like_days(folder: Path, tables: Tables) -> None:
    frame = pl.read_parquet(folder / "wide.parquet").with_columns(pl.col("day") + 45292, shown=20_000.5)
    frame.write_parquet(folder / "wide.parquet")
    made = [None, *range(30_001, 30_020)]
    pl.DataFrame({"sku": [f"s{row}" for row in range(20)], "made": made}).write_parquet(folder / "items.parquet")
    tables["data"]["items"] = "items.parquet"
    tables["schema"]["context_features"] = {"shown": "Timestamp"}
    tables["schema"]["item_features"] = {"made": "Timestamp"}
    found = [line for line in check(project(folder, tables)).warnings if "days" in line]
    assert found[0] == (
        "column 'day' is read as seconds since 1970, and holds what looks like days, such as 45292, which is 2024-01-01"
        " in Excel: convert them with pl.date(1899, 12, 30) + pl.duration(days=...); if it counts seconds or steps, "
        "all is well"
    )
    assert [line.split()[1] for line in found] == ["'day'", "'shown'", "'made'"]


def test_rows_that_contradict_each_other(folder: Path, tables: Tables) -> None:
    """At one moment a user cannot both click and not click; on one day they can."""
    frame = pl.read_parquet(folder / "wide.parquet")
    twice = frame.head(7).with_columns(clicked=1 - pl.col("clicked"), stars=4.5)
    both = pl.concat([frame, twice], how="vertical_relaxed").with_columns(day=pl.col("day") * 3600)
    both.write_parquet(folder / "wide.parquet")
    told = [warning for warning in check(project(folder, tables)).warnings if "contradict" in warning]
    assert told == [
        "14 rows contradict each other in 'clicked': user 0 has item 's0' with 0 and 1 at one time, for example; keep "
        "one row of each user, item and time",
        "6 rows contradict each other in 'stars': user 0 has item 's0' with 1 and 4.5 at one time, for example; keep "
        "one row of each user, item and time",
    ]
    differ = {**tables, "schema": {**tables["schema"], "context_features": {"place": "Numeric"}}}
    both.with_columns(place=pl.int_range(pl.len())).write_parquet(folder / "wide.parquet")
    assert not [warning for warning in check(project(folder, differ)).warnings if "contradict" in warning]
    both.with_columns(day=pl.col("day") * 24).write_parquet(folder / "wide.parquet")
    assert not [warning for warning in check(project(folder, tables)).warnings if "contradict" in warning]


def test_negatives_that_no_row_meets(folder: Path, tables: Tables) -> None:
    tables["tasks"][0]["negatives"] = "stars < 0"
    told = "task 'retrieval' has no negatives to learn from: no training row meets 'stars < 0' with a weight above 0"
    assert told in check(project(folder, tables)).warnings
    tables["tasks"][0]["negatives"] = "clicked == 0"
    assert not [warning for warning in check(project(folder, tables)).warnings if "negatives" in warning]


def test_a_task_without_rows_in_the_test(folder: Path, tables: Tables) -> None:
    tables["split"] = {"kind": "by_time", "test": 0.1}
    tables["validation"] = {"kind": "by_time", "test": 0.1}
    tables["tasks"][0]["positives"] = "day < 5"
    found = check(project(folder, tables))
    assert found.rows["retrieval"] == {"train": 100, "validation": 0, "test": 0}
    assert "task 'retrieval' has no test rows: it cannot be evaluated" in found.warnings


def test_a_log_that_is_sorted(folder: Path, tables: Tables) -> None:
    """The rows of a task may come late."""
    wide(1200).sort("clicked").write_parquet(folder / "wide.parquet")
    assert check(project(folder, tables)).rows["retrieval"]["train"] > 0


def test_without_a_split(folder: Path, tables: Tables) -> None:
    del tables["split"]
    found = check(project(folder, tables))
    assert found.facts[1] == "All rows are used for training; there are no test rows."
    assert found.rows["retrieval"] == {"train": 80}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("tasks.1.positives=clicks == 1", "shop.toml: .*reads column 'clicks', which is not in the log; did you mean"),
        (
            "tasks.1.positives=clicked == 7",
            "shop.toml: task 'retrieval' has nothing to learn from: 'clicked == 7' hold",
        ),
        (
            "tasks.1.positives=sku == 's99'",
            r"shop.toml: condition \"sku == 's99'\" compares 'sku' with 's99', which it",
        ),
        ("tasks.2.label=star", "shop.toml: task 'star' reads column 'star', which is not in the log; did you mean"),
    ],
)
def test_what_training_would_refuse(folder: Path, tables: Tables, change: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        check(project(folder, tables, change))


def test_early_stopping_watches_a_figure(folder: Path, tables: Tables) -> None:
    tables["validation"] = {"kind": "random", "test": 0.2}
    tables["training"]["early_stopping"] = {"metric": "stars/rmse"}
    assert check(project(folder, tables)).rows["stars"]["validation"] > 0
    with pytest.raises(
        ConfigError, match=r"^shop.toml: early stopping watches 'stars/mse', which is not .* did you mean 'stars/rmse'"
    ):
        check(project(folder, tables, "training.early_stopping.metric=stars/mse"))


def test_items_without_a_pretrained_vector(folder: Path, tables: Tables) -> None:
    ids = project(folder, tables).log().items.vocab.ids
    tables["towers"]["item"] = {"kind": "PretrainedTower", "vectors": "vectors.parquet", "dim": 4}
    vectors = pl.DataFrame({"sku": ids, "x": [1.0] * len(ids)})
    vectors.write_parquet(folder / "vectors.parquet")
    assert "vector" not in " ".join(check(project(folder, tables)).warnings)
    vectors.filter(~pl.col("sku").is_in(["s3", "s4"])).write_parquet(folder / "vectors.parquet")
    words = "2 of 20 items, such as 's3', have no pretrained vector: they share a learned one"
    assert words in check(project(folder, tables)).warnings


def test_a_label_whose_scale_swamps_the_other_tasks(folder: Path, tables: Tables) -> None:
    wide().with_columns(pl.col("stars") * 1000).write_parquet(folder / "wide.parquet")
    (told,) = [each for each in check(project(folder, tables)).warnings if "loss" in each]
    assert told.startswith("task 'stars' starts with a loss of ")
    assert "times that of any other task, and decides alone what the shared vectors learn" in told
    weight = float(told.rpartition(" ")[2])
    assert 0 < weight < 1e-4
    for change in (f"weights.stars={weight}", "weights.retrieval=0", 'balancer="GradNorm"'):
        assert "loss" not in " ".join(check(project(folder, tables, change)).warnings)
