from __future__ import annotations

import math
from pathlib import Path

import polars as pl
import pytest
import torch

from motet.data.entities import Bag, Codes, Entities, Numbers
from motet.data.schema import Categorical, Feature, MultiValued, Numeric
from motet.data.sides import build_entities, read_ids, read_side, text_columns
from motet.data.table import Table
from motet.data.vocab import Vocab
from motet.errors import DataError

LOG = Table.open(
    pl.DataFrame({"item": ["b", "a", "b"], "price": [2.0, None, 2.0], "tags": [["x"], ["y"], ["x"]]}), "the log"
)
KINDS: dict[str, Feature] = {"price": Numeric(), "tags": MultiValued()}


def items(table: object = None, kinds: dict[str, Feature] | None = None, log: Table = LOG) -> Entities:
    return read_side(log, "item", kinds or {}, table, "item")[0]


def test_ids_of_the_log_alone() -> None:
    side, rows = read_side(LOG, "item", {}, None, "item")
    assert side.vocab.ids.to_list() == ["a", "b"]
    assert side.table.to_dict(as_series=False) == {"item": ["a", "b"]}
    assert rows.tolist() == [2, 1, 2]


def test_table_may_list_others_and_leave_some_out() -> None:
    side = items(pl.DataFrame({"item": ["c", "b"], "price": [3.0, 2.0], "name": ["C", "B"]}), {"price": Numeric()})
    assert side.table.rows() == [("a", None, None), ("b", 2.0, "B"), ("c", 3.0, "C")]
    values = side.features["price"]
    assert isinstance(values, Numbers)
    torch.testing.assert_close(values.values, torch.tensor([math.nan, math.nan, 2, 3]), equal_nan=True)


def test_constant_columns_of_the_log_describe_entities() -> None:
    side = items(kinds=KINDS)
    assert side.table.rows() == [("a", None, ["y"]), ("b", 2.0, ["x"])]
    tags = side.features["tags"]
    assert isinstance(tags, Bag)
    assert tags.offsets.tolist() == [0, 0, 1, 2]
    assert tags.vocab.decode(tags.rows).to_list() == ["y", "x"]


def test_table_comes_before_the_log() -> None:
    side = items(pl.DataFrame({"item": ["b"], "price": [9.0]}), KINDS)
    assert side.table["price"].to_list() == [None, 9.0]
    assert side.table["tags"].to_list() == [["y"], ["x"]]


def test_row_0_is_unknown() -> None:
    table = pl.DataFrame({"item": ["a"], "price": [1.0], "tags": ["x"], "shop": [7]})
    side = items(table, {**KINDS, "shop": Categorical()})
    price, tags, shop = (side.features[name] for name in ("price", "tags", "shop"))
    assert isinstance(price, Numbers)
    assert isinstance(tags, Bag)
    assert isinstance(shop, Codes)
    assert price.values[0].isnan()
    assert tags.offsets[:2].tolist() == [0, 0]
    assert shop.rows[0] == 0
    assert len(price.values) == len(shop.rows) == len(tags.offsets) - 1 == len(side)


def test_the_same_table_gives_the_same_codes() -> None:
    side = items(pl.DataFrame({"item": ["c", "b"], "price": [3.0, 2.0], "tags": ["u|v", "v"]}), KINDS)
    again = build_entities("item", side.vocab, side.kinds, side.table)
    for name, column in side.features.items():
        for one, other in zip(vars(column).values(), vars(again.features[name]).values(), strict=True):
            assert one == other if isinstance(one, Vocab) else torch.equal(one.nan_to_num(-1), other.nan_to_num(-1))


def test_bad_value_in_a_table_is_named_by_its_row_there() -> None:
    table = pl.DataFrame({"item": ["z", "c", "a"], "price": [1.0, math.inf, 2.0]})
    with pytest.raises(DataError, match=r"column 'price' of the item table has inf in row 1 \(counted from 0\)"):
        items(table, {"price": Numeric()})


def test_bad_value_in_the_log_is_named_by_its_row_there() -> None:
    log = Table.open(pl.DataFrame({"item": ["b", "b", "a"], "price": [2.0, 2.0, math.nan]}), "the log")
    with pytest.raises(DataError, match=r"column 'price' of the log has nan in row 2 \(counted from 0\)"):
        items(kinds={"price": Numeric()}, log=log)


def test_rebuilt_entities_name_their_table() -> None:
    with pytest.raises(DataError, match="column 'price' of the table of 'item' holds text"):
        build_entities("item", Vocab.build(["a"], "item"), {"price": Numeric()}, pl.DataFrame({"price": ["x"]}))


def test_refuses_a_feature_that_varies() -> None:
    log = Table.open(pl.DataFrame({"user": [7, 8, 7], "age": [31, 50, 32]}), "log.csv")
    words = (
        r"column 'age' of the log is declared in user_features, but user 7 has several values, such as 31 and 32; "
        r"declare it in context_features instead"
    )
    with pytest.raises(DataError, match=words.replace("the log", "log.csv")):
        read_side(log, "user", {"age": Numeric()}, None, "user")


def test_refuses_a_feature_that_is_nowhere() -> None:
    with pytest.raises(
        DataError, match="item feature 'prize' is neither in the item table nor in the log; did you mean 'price'"
    ):
        items(kinds={"prize": Numeric()})
    with pytest.raises(
        DataError, match=r"Columns of the item table: item, colour\. Columns of the log: item, price, tags\."
    ):
        items(pl.DataFrame({"item": ["a"], "colour": ["red"]}), {"zzz": Numeric()})


def test_refuses_a_table_without_the_id(tmp_path: Path) -> None:
    pl.DataFrame({"items": ["a"]}).write_csv(tmp_path / "items.csv")
    with pytest.raises(DataError, match=r"column 'item' is not in items.csv; did you mean 'items'\? Columns: items\."):
        items(tmp_path / "items.csv")


def test_refuses_an_id_listed_twice() -> None:
    words = (
        r"column 'item' of the item table has the id 'a' in row 0 and again in row 2 \(counted from 0\); "
        r"an id has one row: drop the others, for example with Polars: frame.unique\('item', keep='first'\)"
    )
    with pytest.raises(DataError, match=words):
        items(pl.DataFrame({"item": ["a", "b", "a"]}))


def test_refuses_ids_of_another_type_than_the_log() -> None:
    words = (
        "column 'item' of the item table holds whole numbers such as 1, but column 'item' of the log holds "
        "text such as 'b'; convert one of them, or no item will be found"
    )
    with pytest.raises(DataError, match=words):
        items(pl.DataFrame({"item": [1, 2]}))


@pytest.mark.parametrize(("missing", "told"), [(None, "null"), ("", "empty text"), (" ", "empty text")])
def test_refuses_missing_ids(missing: str | None, told: str) -> None:
    table = Table.open(pl.DataFrame({"item": ["a", missing, None]}), "the log")
    words = rf"column 'item' of the log has no id \({told}\) in row 1 \(counted from 0\), one of 2 such rows"
    with pytest.raises(DataError, match=words):
        read_ids(table, "item")


def test_text_columns_are_those_a_csv_must_not_guess() -> None:
    kinds = {"zip": Categorical(), "hour": Categorical(), **KINDS}
    assert text_columns(kinds) == ["zip", "hour", "tags"]
    vocabs = {name: Vocab.build(values, name) for name, values in {"hour": [1, 2], "tags": [1], "user": ["a"]}.items()}
    assert text_columns(kinds, vocabs) == ["zip", "tags", "user"]


@pytest.mark.parametrize(("log", "table"), [("12,8,12", "007,8,12"), ("12,007,8", "8,12"), ("8,12", "8,B2")])
def test_ids_of_csv_files_are_text_in_all_if_in_one(tmp_path: Path, log: str, table: str) -> None:
    """A file has no types: one without 007 was read as whole numbers, which nobody can convert in a CSV file."""
    for name, ids in (("log", log), ("items", table)):
        (tmp_path / f"{name}.csv").write_text("\n".join(["item", *ids.split(",")]))
    events = Table.open(tmp_path / "log.csv", "the log", codes=["item"])
    side, rows = read_side(events, "item", {}, tmp_path / "items.csv", "item")
    assert side.vocab.ids.to_list() == sorted({*log.split(","), *table.split(",")})
    assert side.vocab.decode(rows).to_list() == log.split(",")


def test_refuses_ids_of_another_kind_in_csv_files(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("item\n1\n2\n")
    with pytest.raises(DataError, match="holds whole numbers such as 1, but column 'item' of the log holds text such"):
        items(tmp_path / "items.csv")
