from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from motet.data.vocab import FEW, Vocab
from motet.errors import ArtifactError, DataError

TEXTS = st.lists(st.text(max_size=3) | st.none(), max_size=30)
NUMBERS = st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3) | st.none(), max_size=30)
COLUMNS = TEXTS.map(lambda values: pl.Series(values, dtype=pl.String)) | NUMBERS.map(
    lambda values: pl.Series(values, dtype=pl.Int64)
)


def reference(known: pl.Series, asked: pl.Series) -> list[int]:
    """Rows by the definition: place in the sorted set, from 1."""
    order = sorted(set(known.drop_nulls()))
    return [order.index(value) + 1 if value in order else 0 for value in asked]


@given(COLUMNS, COLUMNS)
def test_encode_is_the_place_in_the_sorted_set(known: pl.Series, asked: pl.Series) -> None:
    vocab = Vocab.build(known, "id")
    assert len(vocab) == known.drop_nulls().n_unique() + 1
    if asked.dtype == known.dtype:
        assert vocab.encode(asked).tolist() == reference(known, asked)


@given(COLUMNS)
def test_decode_gives_the_ids_back(values: pl.Series) -> None:
    vocab = Vocab.build(values, "id")
    rows = vocab.encode(values)
    assert vocab.decode(rows).to_list() == vocab.decode_list(rows) == values.to_list()
    assert vocab.decode_list(rows.repeat(FEW)) == values.to_list() * FEW


@given(COLUMNS, st.randoms(use_true_random=False))
def test_order_of_the_data_does_not_matter(values: pl.Series, chance: random.Random) -> None:
    shuffled = values.to_list() * 2
    chance.shuffle(shuffled)
    assert Vocab.build(pl.Series(shuffled, dtype=values.dtype), "id") == Vocab.build(values, "id")


@pytest.mark.parametrize("known", [range(0, 3000, 3), [f"{number:05}" for number in range(0, 3000, 3)]])
def test_few_and_many_are_found_alike(known: range | list[str]) -> None:
    vocab = Vocab.build(list(known), "id")
    asked = [*known, *([-1, 1, 5000] if isinstance(known, range) else ["", "00001", "9"])]
    one_by_one = [vocab.encode([value]).item() for value in asked]
    assert vocab.encode(asked).tolist() == one_by_one == [*range(1, 1001), 0, 0, 0]
    assert vocab.encode(pl.Series([None], dtype=vocab.ids.dtype)).tolist() == [0]


def test_rows_are_int64_and_unknowns_0() -> None:
    rows = Vocab.build(["b", "a"], "id").encode(["b", "z", "a"])
    assert rows.dtype == torch.int64
    assert rows.tolist() == [2, 0, 1]


def test_encode_takes_columns_of_nothing() -> None:
    vocab = Vocab.build(["a"], "id")
    assert vocab.encode([]).tolist() == []
    assert vocab.encode(pl.Series([None, None])).tolist() == [0, 0]
    assert Vocab.build(pl.Series([], dtype=pl.String), "id").encode(["a"]).tolist() == [0]


def test_encode_takes_narrow_numbers_and_categories() -> None:
    assert Vocab.build([7, 9], "id").encode(pl.Series([9], dtype=pl.UInt8)).tolist() == [2]
    assert Vocab.build([7, 9], "id").encode(np.array([9, 7])).tolist() == [2, 1]
    assert Vocab.build(["a", "b"], "id").encode(pl.Series(["b"], dtype=pl.Categorical)).tolist() == [2]


@pytest.mark.parametrize("copies", [1, 100])
def test_numbers_beyond_64_bits_are_unknown_however_many_are_asked(copies: int) -> None:
    vocab = Vocab.build([1, 5], "id")
    assert vocab.encode([5, 2**64, -(2**200)] * copies).tolist() == [2, 0, 0] * copies
    assert vocab.encode([2**64] * copies).tolist() == [0] * copies


def test_contains() -> None:
    numbers, texts = Vocab.build([7, 9], "id"), Vocab.build(["7"], "id")
    assert 7 in numbers
    assert "7" in texts
    assert np.int64(7) in numbers
    assert np.str_("7") in texts
    for value in (8, "7", True, None, 7.5, np.int64(8), np.bool_(True), 2**70):
        assert value not in numbers
    assert 7 not in texts


def test_refuses_ids_of_the_other_type() -> None:
    with pytest.raises(
        DataError, match=r"'id' holds text such as '7', but its known ids are whole numbers such as 7; conv"
    ):
        Vocab.build([7], "id").encode(["7"])
    with pytest.raises(DataError, match="'id' holds whole numbers such as 7, but its known ids are text such as 'a'"):
        Vocab.build(["a"], "id").encode([7])
    with pytest.raises(DataError, match="column 'id' holds decimal numbers"):
        Vocab.build(pl.Series([1.5]), "id")


@pytest.mark.parametrize("row", [-1, 3])
def test_decode_refuses_rows_outside(row: int) -> None:
    with pytest.raises(DataError, match=f"row {row} is not in the vocabulary 'id'; rows: 0 to 2"):
        Vocab.build(["a", "b"], "id").decode([0, row])


def test_save_and_load(tmp_path: Path) -> None:
    for values in (["b", "a"], [3, -1]):
        vocab = Vocab.build(values, "id")  # type: ignore[arg-type]
        vocab.save(tmp_path / "id.parquet")
        assert Vocab.load(tmp_path / "id.parquet") == vocab
        assert hash(Vocab.load(tmp_path / "id.parquet")) == hash(vocab)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (
            pl.DataFrame({"a": ["x"], "b": ["y"]}),
            "id.parquet is not a vocabulary: one column of text or 64-bit integers",
        ),
        (pl.DataFrame({"a": [1.5]}), "one column of text or 64-bit integers is needed"),
        (pl.DataFrame({"a": ["b", "a"]}), "its ids are not distinct and ascending"),
        (pl.DataFrame({"a": ["a", "a"]}), "its ids are not distinct and ascending"),
        (pl.DataFrame({"a": ["a", None]}), "its ids are not distinct and ascending"),
    ],
)
def test_load_refuses_another_table(tmp_path: Path, frame: pl.DataFrame, words: str) -> None:
    frame.write_parquet(tmp_path / "id.parquet")
    with pytest.raises(ArtifactError, match=words):
        Vocab.load(tmp_path / "id.parquet")


def test_load_refuses_a_missing_or_damaged_file(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"cannot read the vocabulary id.parquet"):
        Vocab.load(tmp_path / "id.parquet")
    (tmp_path / "id.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(ArtifactError, match=r"cannot read the vocabulary id.parquet"):
        Vocab.load(tmp_path / "id.parquet")


def test_repr_says_how_many() -> None:
    assert repr(Vocab.build(["a", "b"], "genre")) == "Vocab('genre', 2 ids)"


def test_number_of_threads_does_not_matter() -> None:
    program = (
        "import polars as pl; from motet.data.vocab import Vocab;"
        "ids = pl.Series([str(n * 7919 % 100_003) for n in range(200_000)]);"
        "vocab = Vocab.build(ids, 'id'); print(vocab.ids.hash().sum(), vocab.encode(ids)[::997].tolist())"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "POLARS_MAX_THREADS": n},
            capture_output=True,
            check=True,
        ).stdout
        for n in ("1", "4")
    ]
    assert runs[0] == runs[1]
