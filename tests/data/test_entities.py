from __future__ import annotations

from dataclasses import FrozenInstanceError

import polars as pl
import pytest

from motet.data.entities import Entities
from motet.data.vocab import Vocab


def test_length_counts_the_unknown() -> None:
    entities = Entities("item", Vocab.build(["a", "b"], "item"))
    assert len(entities) == 3
    assert dict(entities.features) == {}


def test_entities_do_not_change() -> None:
    entities = Entities("item", Vocab.build(["a"], "item"))
    with pytest.raises(FrozenInstanceError):
        entities.key = "user"  # type: ignore[misc]


def test_words_of_every_kind_of_text() -> None:
    """A table of pandas may hold text as categories."""
    names = pl.Series("name", ["Ada", None, "Bob"], dtype=pl.Categorical)
    table = pl.DataFrame({"id": [1, 2, 3], "price": [1.0, 2.0, 3.0], "name": names, "tags": [["x", None], [], None]})
    entities = Entities("id", Vocab.build(table["id"], "id"), table=table)
    assert entities.in_words([3, 0, 1, 2]) == {"name": ["Bob", "", "Ada", ""], "tags": ["", "", "x", ""]}
    assert Entities("id", entities.vocab).in_words([1]) == {}
