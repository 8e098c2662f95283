from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from motet.data.entities import Entities
from motet.data.lookup import chosen_rows, known_rows, listed
from motet.data.vocab import Vocab
from motet.errors import DataError

FILMS = Entities("title", Vocab.build(["Alien (1979)", "Aliens (1986)", "Dances with Wolves (1990)"], "title"))
NUMBERS = Entities("item_id", Vocab.build([3, 1, 9], "item_id"))


FOOD = Entities(
    "id",
    Vocab.build([1, 2, 3], "id"),
    table=pl.DataFrame({"id": [1, 2, 3], "price": [1.0, None, 3.0], "tags": [["hot"], [], ["hot", "new"]]}),
)


def test_one_id_or_many() -> None:
    assert listed(3) == ([3], True)
    assert listed(np.int64(3)) == ([3], True)
    assert listed(np.array([3, 4])) == ([3, 4], False)
    assert listed(pl.Series(["a", "b"])) == (["a", "b"], False)
    assert listed([np.int64(3), np.int64(4)]) == ([3, 4], False)
    assert listed(torch.tensor([3, 4])) == ([3, 4], False)
    assert listed(()) == ([], False)


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("given", [None, 1.0])
def test_what_is_no_id(given: object) -> None:
    with pytest.raises(
        DataError, match=rf"^{given} is not an id; ids are text or whole numbers: pass one, or a list of"
    ):
        listed(given)  # type: ignore[arg-type]


def test_rows_in_the_order_asked() -> None:
    assert known_rows(NUMBERS, [9, 1, 9], "item").tolist() == [3, 1, 3]
    assert known_rows(NUMBERS, [], "item").tolist() == []


@pytest.mark.parametrize(
    ("entities", "ids", "words"),
    [
        (
            FILMS,
            ["dances with"],
            r"item 'dances with' is not among the 3 known items; did you mean 'Dances with W.*\)'\?$",
        ),
        (FILMS, ["alien"], r"item 'alien' is not among the 3 known items; did you mean 'Alien \(1979\)'\?$"),
        (FILMS, ["Dancing with Wolves (1990)"], r"did you mean 'Dances with Wolves \(1990\)'\?$"),
        (FILMS, ["Zardoz"], r"item 'Zardoz' is not among the 3 known items\.$"),
        (FILMS, [""], r"item '' is not among the 3 known items\.$"),
        (NUMBERS, [1, 4, 5], r"items 4, 5 are not among the 3 known items; their ids lie between 1 and 9$"),
        (NUMBERS, [10, 11, 12, 13, 14], r"items 10, 11, 12 and 2 more are not among the 3 known items"),
        (FILMS, [3], r"column 'title' holds whole numbers such as 3, but its known ids are text"),
    ],
)
def test_unknown_ids_are_named(entities: Entities, ids: list[str] | list[int], words: str) -> None:
    with pytest.raises(DataError, match=words):
        known_rows(entities, ids, "item")


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("entities", [FILMS, NUMBERS])
def test_no_id_is_like_none(entities: Entities) -> None:
    with pytest.raises(DataError, match=r"item None is not among the 3 known items\.$"):
        known_rows(entities, [None], "item")  # type: ignore[list-item]


def test_rows_by_a_condition_on_the_table() -> None:
    assert chosen_rows(FOOD, pl.col("price") < 2, "item").tolist() == [1]
    assert chosen_rows(FOOD, ~(pl.col("price") < 2), "item").tolist() == [3]  # a missing price is neither
    assert chosen_rows(FOOD, pl.col("tags").list.contains("hot") & (pl.col("id") > 1), "item").tolist() == [3]
    assert chosen_rows(FOOD, pl.lit(False), "item").tolist() == []
    assert chosen_rows(FOOD, pl.lit(True), "item").dtype == torch.int64


def test_rows_by_ids_too() -> None:
    assert chosen_rows(FOOD, [3, 1], "item").tolist() == [3, 1]
    assert chosen_rows(FOOD, 2, "item").tolist() == [2]


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (pl.col("prize") < 2, r"does not fit the table of items: .*prize.*\. Columns: id, price, tags\."),
        (pl.col("tags") == 2, "does not fit the table of items"),
        (pl.col("price"), r"the condition col\(\"price\"\) gives Float64, not true or false; compare it with a value"),
    ],
)
def test_a_condition_that_does_not_fit(condition: pl.Expr, message: str) -> None:
    with pytest.raises(DataError, match=message):
        chosen_rows(FOOD, condition, "item")
