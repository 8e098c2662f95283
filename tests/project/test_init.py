from __future__ import annotations

import tomllib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from motet.data.log import EventLog
from motet.errors import ConfigError
from motet.project import Project, check
from motet.project.init import init

from .conftest import long, wide


def declared(folder: Path, events: str, *, explain: bool = False, **options: str) -> dict[str, Any]:
    """The tables of a fresh project file, which passes the check."""
    tables = {side: folder / options[f"{side}s"] for side in ("user", "item") if f"{side}s" in options}
    known = {side: options[side] for side in ("user", "item") if side in options}
    output = folder / "motet.toml"
    output.unlink(missing_ok=True)
    output.write_text(init(folder / events, output, tables=tables, known=known, explain=explain))
    check(Project.read(output))
    return tomllib.loads(output.read_text())


def uncommented(folder: Path, events: str) -> dict[str, Any]:
    """The [recommend] that a fresh project file offers in comments, written into it."""
    assert "recommend" not in declared(folder, events)
    head, _, rest = (folder / "motet.toml").read_text().partition("# [recommend]\n")
    offered = "".join(line.removeprefix("# ") for line in f"# [recommend]\n{rest}".splitlines(keepends=True))
    (folder / "motet.toml").write_text(head + offered)
    found: dict[str, Any] = tomllib.loads(offered)["recommend"]
    return found


@pytest.mark.parametrize(
    ("log", "seen", "touched", "task"),
    [
        ("long.csv", "event == 'purchase'", "event == 'view' or event == 'cart' or event == 'review'", "purchase"),
        ("wide.parquet", "bought == 1", "clicked == 1", "find_bought"),
    ],
)
def test_what_users_get_waits_in_comments(folder: Path, log: str, seen: str, touched: str, task: str) -> None:
    """Less the first # of each line it takes effect."""
    offered = uncommented(folder, log)
    assert offered == {"seen": seen, "retrieve": [{"kind": "Touched", "where": touched, "by": task}, task]}
    facts = check(Project.read(folder / "motet.toml")).facts
    assert any(fact.startswith(f"An item counts as seen by {seen}") for fact in facts)


def test_what_was_only_shown_may_be_recommended(tmp_path: Path) -> None:
    wide().drop("bought", "stars").write_parquet(tmp_path / "log.parquet")
    assert uncommented(tmp_path, "log.parquet") == {"seen": "clicked == 1"}
    wide().drop("clicked", "bought").write_parquet(tmp_path / "log.parquet")
    declared(tmp_path, "log.parquet")
    assert "\n# [recommend]\n" not in (tmp_path / "motet.toml").read_text()


def test_a_wide_log(folder: Path) -> None:
    tables = declared(folder, "wide.parquet")
    schema = tables["schema"]
    assert (schema["user"], schema["item"], schema["time"]) == ("user_id", "sku", "day")
    assert schema["signals"] == ["clicked", "bought", "stars"]
    assert schema["item_features"] == {"price": "Numeric"}
    assert tables["split"] == {"kind": "by_time", "test": 0.2}
    found = {task["name"]: task["positives"] for task in tables["tasks"] if task["kind"] == "Retrieval"}
    assert found == {"find_clicked": "clicked == 1", "find_bought": "bought == 1"}
    assert [task["label"] for task in tables["tasks"] if task["kind"] == "Rating"] == ["stars"]
    text = (folder / "motet.toml").read_text()
    assert "# not used: page (240 different in 240 rows: not a signal, and not constant for each user or item)" in text
    assert 'user = "user_id" # guessed: by its name; 12 different in 240 rows' in text


def test_a_long_log(folder: Path) -> None:
    tables = declared(folder, "long.csv")
    schema = tables["schema"]
    assert [schema[role] for role in ("user", "item", "time", "event")] == ["customer", "product", "time", "event"]
    assert schema["signals"] == ["value"]
    *retrieval, rating = tables["tasks"]
    names = [task["name"] for task in retrieval]
    assert names[0] == "view"
    assert set(names) == {"view", "cart", "purchase", "review"}
    buy = next(task for task in retrieval if task["name"] == "purchase")
    assert buy["positives"] == "event == 'purchase'"
    assert buy["negatives"] == "event == 'return'"
    assert rating["label"] == "value"
    assert rating["where"] == "event == 'review'"
    assert tables["weights"] == dict.fromkeys(names, 10)


def test_movielens(movielens: EventLog, tmp_path: Path) -> None:
    movielens.frame().write_parquet(tmp_path / "log.parquet")
    movielens.users.table.write_parquet(tmp_path / "users.parquet")
    movielens.items.table.write_parquet(tmp_path / "items.parquet")
    tables = declared(tmp_path, "log.parquet", users="users.parquet", items="items.parquet")
    assert tables["data"] == {"events": "log.parquet", "users": "users.parquet", "items": "items.parquet"}
    assert (tables["schema"]["item"], tables["schema"]["signals"]) == ("movie_id", ["rating"])
    assert tables["schema"]["item_features"] == {"title": "Text", "genres": "MultiValued", "year": "Numeric"}
    assert tables["schema"]["user_features"]["zip_code"] == "Categorical"
    assert tables["split"] == {"kind": "leave_last_out", "n": 1}  # most of the last rows are of new users
    assert [task["kind"] for task in tables["tasks"]] == ["Retrieval", "Rating"]


def test_every_setting_is_explained(folder: Path) -> None:
    plain = declared(folder, "wide.parquet")
    assert declared(folder, "wide.parquet", explain=True) == plain
    text = (folder / "motet.toml").read_text()
    assert "# Divides the scores; below 1 it sharpens them. None learns it, starting from 1.\n" in text
    assert "#     temperature = 1.0\n" in text
    assert '#     reduction = "mean"  (one of mean, sum)\n' in text
    assert "#     pool = ...  (none by default)  (one of Catalogue, InBatch)\n" in text
    assert '# kind = "leave_last_out": Hold out the last rows of every user.\n' in text
    assert "$" not in text


def test_kinds_of_features(tmp_path: Path) -> None:
    items = {
        "id": [f"i{row}" for row in range(40)],
        "name": [f"Thing number {row}" for row in range(40)],
        "tags": ["a|b", "b"] * 20,
        "colour": ["red", "blue"] * 20,
        "code": [f"x{row}" for row in range(40)],
        "link": [f"http://x/{row}" for row in range(40)],
        "price": [row / 3 for row in range(40)],
        "broken": [float("nan"), *[1.0] * 39],
        "size": [1, 2] * 20,
        "shop_id": [row // 2 for row in range(40)],
        "serial_id": list(range(40)),
        "new": [True, False] * 20,
        "since": [f"2024-01-{1 + row % 28:02}" for row in range(40)],
        "until": [f"2024-02-{1 + row % 28:02} 10:00" for row in range(40)],
        "sold": [f"2024-03-{1 + row % 31:02}" for row in range(39)] + ["2024-03-99"],
        "vector": [[0.5, row * 1.0] for row in range(40)],
        "parts": [[1, row] for row in range(40)],
        "same": ["x"] * 40,
    }
    frame = pl.DataFrame(items).with_columns(pl.col("since").str.to_date())
    frame.write_parquet(tmp_path / "items.parquet")
    events = {"uid": [row % 9 for row in range(120)], "id": [f"i{row % 40}" for row in range(120)]}
    pl.DataFrame(events).write_parquet(tmp_path / "log.parquet")
    tables = declared(tmp_path, "log.parquet", items="items.parquet")
    assert (tables["schema"]["user"], tables["schema"]["item"]) == ("uid", "id")
    assert tables["schema"]["item_features"] == {
        "name": "Text",
        "tags": "MultiValued",
        "colour": "Categorical",
        "price": "Numeric",
        "size": "Categorical",
        "shop_id": "Categorical",
        "new": "Categorical",
        "since": "Timestamp",
        "until": "Timestamp",
        "sold": "Categorical",
        "parts": "MultiValued",
    }
    text = (tmp_path / "motet.toml").read_text()
    for left in (
        *("code (different in every row)", "link (addresses)", "serial_id (different in every row)"),
        *("broken (NaN or infinity in it: write null instead)", "vector (lists of Float64)"),
        "same (the same in every row)",
    ):
        assert f"# not used: {left}\n" in text
    assert tables["tasks"] == [{"kind": "Retrieval", "name": "retrieval", "item_bias": True}]
    assert tables["split"]["kind"] == "random"


def test_times(tmp_path: Path) -> None:
    frame = long().rename({"time": "ts"})
    for column, role in (
        (pl.col("ts") * 1000, None),
        (pl.from_epoch("ts").dt.strftime("%d/%m/%Y"), None),
        (pl.from_epoch("ts").dt.strftime("%Y%m%d").cast(pl.Int64), None),
        (pl.from_epoch("ts"), "ts"),
        (pl.from_epoch("ts").dt.strftime("%Y-%m-%dT%H:%M:%S"), "ts"),
        (pl.when(pl.col("value").is_null()).then("ts"), None),
    ):
        frame.with_columns(ts=column).write_parquet(tmp_path / "log.parquet")
        assert declared(tmp_path, "log.parquet")["schema"].get("time") == role
    assert "ts (times, but empty in some rows" in (tmp_path / "motet.toml").read_text()
    frame.with_columns(pl.col("ts") * 1000).write_parquet(tmp_path / "log.parquet")
    declared(tmp_path, "log.parquet")
    assert "ts (times in milliseconds, or not in ISO 8601" in (tmp_path / "motet.toml").read_text()
    frame.with_columns(ts=45292 + pl.int_range(pl.len())).write_parquet(tmp_path / "log.parquet")
    assert declared(tmp_path, "log.parquet")["schema"]["time"] == "ts"
    assert "by its name, though its numbers look like days instead" in (tmp_path / "motet.toml").read_text()


def test_a_few_rows_that_contradict_a_funnel_do_not_end_it(tmp_path: Path) -> None:
    row = pl.int_range(4_800)
    frame = pl.DataFrame({"user_id": [each % 11 for each in range(4_800)], "sku": [each % 35 for each in range(4_800)]})
    stages = {"viewed": row % 2, "saved": row % 4, "asked": row % 8, "booked": row % 16}
    frame = frame.with_columns(**{name: (left == 0).cast(pl.Int8) for name, left in stages.items()})
    wrong = pl.int_range(pl.len()).is_in([3, 5]).cast(pl.Int8)
    frame.with_columns(pl.max_horizontal("booked", wrong)).write_parquet(tmp_path / "log.parquet")
    (funnel,) = [task for task in declared(tmp_path, "log.parquet")["tasks"] if task["kind"] == "Funnel"]
    assert funnel["stages"] == list(stages)
    assert funnel["where"] == "not (asked == 0 and booked == 1)"


def test_a_time_is_known_by_the_end_of_its_name(tmp_path: Path) -> None:
    frame = long()
    for name in ("played_at", "orderTime", "created at", "EVENT_TS"):
        frame.rename({"time": name}).with_columns(watch_time=pl.int_range(pl.len())).write_parquet(
            tmp_path / "log.parquet"
        )
        assert declared(tmp_path, "log.parquet")["schema"].get("time") == name
    frame.select(pl.exclude("time"), format=pl.int_range(pl.len()) + 10**9).write_parquet(tmp_path / "log.parquet")
    assert "time" not in declared(tmp_path, "log.parquet")["schema"]


def test_the_unit_of_a_time_may_end_its_name(tmp_path: Path) -> None:
    for name, factor, told in (
        ("ts_ms", 1000, "not used: ts_ms (times in milliseconds, or not in ISO 8601"),
        ("order_time_utc", 1, "guessed: by its name"),
    ):
        long().with_columns(pl.col("time") * factor).rename({"time": name}).write_parquet(tmp_path / "log.parquet")
        assert declared(tmp_path, "log.parquet")["schema"].get("time") == (name if factor == 1 else None)
        assert told in (tmp_path / "motet.toml").read_text()


def test_some_rows_meet_the_condition_on_a_quantity(tmp_path: Path) -> None:
    near = 1_000.0 + 0.01 * pl.int_range(pl.len())
    long().with_columns(amount=near).write_parquet(tmp_path / "log.parquet")
    declared(tmp_path, "log.parquet")
    text = (tmp_path / "motet.toml").read_text().replace("\n# ", " ")
    assert "'amount >= 1001'" in text


def test_what_speaks_against_an_item_moves_it_down(tmp_path: Path) -> None:
    """A task's probability raises an item in the lists unless its weight there is negative."""
    row = pl.int_range(pl.len())
    wide().with_columns(refunded=(row % 7 == 0).cast(pl.Int64)).write_parquet(tmp_path / "log.parquet")
    tables = declared(tmp_path, "log.parquet")
    assert [task["label"] for task in tables["tasks"] if task["kind"] == "Event"] == ["refunded"]
    assert tables["recommend"] == {
        "by": {"find_clicked": 10, "find_bought": 10, "funnel": 1, "refunded": -1, "stars": 1}
    }
    assert "# guessed: refunded speaks against an item" in (tmp_path / "motet.toml").read_text()
    long().with_columns(skipped=row % 2).write_parquet(tmp_path / "log.parquet")
    assert declared(tmp_path, "log.parquet", explain=True)["recommend"]["by"]["skipped"] == -1
    assert "\n# seen = \"event == 'purchase'\"\n" in (tmp_path / "motet.toml").read_text()


def test_of_two_columns_of_times_the_name_decides(tmp_path: Path) -> None:
    frame = long().with_columns(signup=pl.lit(datetime(2024, 1, 1)), time=pl.from_epoch("time"))
    frame.select("customer", "product", "signup", "event", "time").write_parquet(tmp_path / "log.parquet")
    assert declared(tmp_path, "log.parquet")["schema"]["time"] == "time"


def test_codes_that_start_with_0_are_no_numbers(tmp_path: Path) -> None:
    """Ten thousand lines decide the types of a CSV file; its codes may start with 0 in any of them."""
    items = [f"{row},{row % 30:05},{row % 30}" for row in range(60)]
    (tmp_path / "items.csv").write_text("\n".join(["product,depot,size", *items]))
    long().with_columns(product=pl.int_range(pl.len()) % 60).write_csv(tmp_path / "log.csv")
    features = declared(tmp_path, "log.csv", items="items.csv")["schema"]["item_features"]
    assert features == {"depot": "Categorical", "size": "Numeric"}


def test_ids_without_a_telling_name(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [row % 7 for row in range(60)], "b": [f"b{row % 9}" for row in range(60)]})
    frame.write_parquet(tmp_path / "log.parquet")
    schema = declared(tmp_path, "log.parquet")["schema"]
    assert (schema["user"], schema["item"]) == ("b", "a")
    schema = declared(tmp_path, "log.parquet", user="a", item="b")["schema"]
    assert (schema["user"], schema["item"]) == ("a", "b")
    assert "guessed: as given" not in (tmp_path / "motet.toml").read_text()


@pytest.mark.parametrize(("name", "form"), [("Datum", "%d.%m.%Y %H:%M"), ("date", "%m/%d/%Y"), ("when", "%d-%m-%y")])
def test_dates_and_numbers_of_a_spreadsheet_are_no_features(tmp_path: Path, name: str, form: str) -> None:
    days = [datetime(2024, 1, 13) + timedelta(days=row % 60) for row in range(240)]
    frame = pl.DataFrame({"user_id": [row % 12 for row in range(240)], "item_id": [row % 20 for row in range(240)]})
    stars = pl.Series("stars", [f"{row % 5},5" for row in range(240)])
    written = pl.Series(name, [day.strftime(form) for day in days])
    frame.with_columns(written, stars).write_csv(tmp_path / "log.csv")
    schema = declared(tmp_path, "log.csv")["schema"]
    assert set(schema) == {"user", "item", "signals"}
    told = (tmp_path / "motet.toml").read_text()
    assert f"not used: {name} (dates, but not in ISO 8601: write them like 2024-03-31 or 2024-03-31 14:05)" in told
    assert "not used: stars (numbers with a decimal comma, it seems: write them like 3.5)" in told


def test_feedback_in_words_is_no_feature(tmp_path: Path) -> None:
    """As the context of an event it would tell the model what it is to predict."""
    frame = pl.DataFrame({"user_id": [row % 9 for row in range(90)], "item_id": [row % 11 for row in range(90)]})
    words = pl.Series("clicked", ["yes" if row // 3 % 2 else "no" for row in range(90)])
    stars = pl.Series("rating", [f"{row // 2 % 5} stars" for row in range(90)])
    frame.with_columns(words, stars).write_csv(tmp_path / "log.csv")
    assert set(declared(tmp_path, "log.csv")["schema"]) == {"user", "item", "signals"}
    text = (tmp_path / "motet.toml").read_text()
    for name in ("clicked", "rating"):
        assert (
            f"# not used: {name} (feedback by its name, but text: write numbers, such as 1 for yes and 0 for no)"
            in text
        )


def test_what_cannot_be_guessed(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("196,242,3,881250949\n186,302,3.5,891717742\n")
    with pytest.raises(
        ConfigError, match=r"log.csv are called 196, 242, 3, 881250949: it seems that the first line holds"
    ):
        declared(tmp_path, "log.csv")
    pl.DataFrame({"a": [0.5, 1.5], "user_id": [1, 1]}).write_parquet(tmp_path / "log.parquet")
    with pytest.raises(
        ConfigError, match=r"no column of log.parquet looks like the ids of items; name it with --item COLUMN. Col"
    ):
        declared(tmp_path, "log.parquet")
    with pytest.raises(
        ConfigError, match=r"column 'usr_id' is not in log.parquet; did you mean 'user_id'. Columns: a,"
    ):
        declared(tmp_path, "log.parquet", user="usr_id")


def test_one_column_cannot_be_both_ids(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"column 'user_id' cannot hold the ids of both users and items; name two"):
        declared(folder, "wide.parquet", user="user_id", item="user_id")


def test_no_file_is_overwritten(folder: Path) -> None:
    declared(folder, "wide.parquet")
    output = folder / "motet.toml"
    with pytest.raises(ConfigError, match=r"there is a file .*motet.toml already; give another name with -o"):
        init(folder / "wide.parquet", output, tables={}, known={})
    with pytest.raises(ConfigError, match=r"shop does not end in .toml, by which motet train tells a project file"):
        init(folder / "wide.parquet", folder / "shop", tables={}, known={})


def test_what_speaks_against_an_item_is_no_positive(tmp_path: Path) -> None:
    users, items = [row % 9 for row in range(90)], [row % 11 for row in range(90)]
    frame = pl.DataFrame({"user_id": users, "item_id": items})
    for columns, positives, negatives in (
        ({"disliked": [row // 3 % 2 for row in range(90)]}, "not (disliked == 1)", "disliked == 1"),
        ({"is_hate": [row // 3 % 2 for row in range(90)]}, "not (is_hate == 1)", "is_hate == 1"),
        ({"score": [row // 3 % 3 - 1 for row in range(90)]}, "not (score < 0)", "score < 0"),
        (
            {"score": [2 * (row % 2) - 1 for row in items], "buy-now": [row % 2 for row in users]},
            "`buy-now` == 1 and not (score < 0)",
            "score < 0",
        ),
        ({"action": ["shown", "skip"] * 45}, "action == 'shown'", "action == 'skip'"),
    ):
        frame.with_columns(**{name: pl.Series(values) for name, values in columns.items()}).write_parquet(
            tmp_path / "log.parquet"
        )
        (task,) = [task for task in declared(tmp_path, "log.parquet")["tasks"] if task["kind"] == "Retrieval"]
        assert (task["positives"], task["negatives"]) == (positives, negatives)


def test_a_log_of_unwanted_events_alone_and_one_that_only_says_yes(tmp_path: Path) -> None:
    frame = long().with_columns(
        event=pl.when(pl.col("event") == "view").then(pl.lit("return")).otherwise(pl.lit("skip"))
    )
    frame.rename({"event": "action"}).write_parquet(tmp_path / "log.parquet")
    first = declared(tmp_path, "log.parquet")["tasks"][0]
    assert first["kind"] == "Retrieval"
    likes = pl.DataFrame({"user_id": [row % 9 for row in range(90)], "item_id": [row % 11 for row in range(90)]})
    likes.with_columns(like=pl.when(pl.col("user_id") > 2).then(1)).write_parquet(tmp_path / "log.parquet")
    assert declared(tmp_path, "log.parquet")["tasks"][0]["positives"] == "like == 1"
    likes.with_columns(returned=(pl.col("user_id") + pl.col("item_id")) % 2).write_parquet(tmp_path / "log.parquet")
    assert declared(tmp_path, "log.parquet")["tasks"][0]["name"] == "retrieval"
