"""Vectors from elsewhere as a feature."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

import motet
from motet import FeatureTower, Model, Recommender, tasks
from motet.data.batch import Batch
from motet.data.entities import Entities
from motet.data.log import EventLog
from motet.data.vocab import Vocab
from motet.errors import ConfigError, DataError
from motet.testing import check_tower
from motet.towers import PretrainedTower
from motet.towers.pretrained import aligned, read_vectors

LINES = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])


@pytest.fixture
def vectors(items: Entities) -> torch.Tensor:
    return aligned(items, [3, 99, 1], LINES)


@pytest.mark.parametrize("arguments", [{}, {"ids": False, "features": ()}, {"hidden": (8,), "dropout": 0.1}])
def test_contract(items: Entities, log: EventLog, vectors: torch.Tensor, arguments: dict[str, Any]) -> None:
    tower = PretrainedTower(items, vectors, dim=8, **arguments)
    tower.prepare(log)
    check_tower(tower, Batch({"item_id": torch.tensor([1, 2, 3, 4, 2, 0, 5])}))


def test_lines_go_where_their_ids_are(items: Entities, vectors: torch.Tensor) -> None:
    assert vectors[items.vocab.encode([3, 1])].tolist() == [LINES[0].tolist(), LINES[2].tolist()]
    assert vectors.isnan().all(1).tolist() == [True, False, True, False, True, True]


def test_known_vectors_are_mapped_and_the_others_learned(items: Entities, vectors: torch.Tensor) -> None:
    tower = PretrainedTower(items, vectors, dim=8, ids=False, features=())
    out = tower(Batch({"item_id": torch.arange(6)}))
    torch.testing.assert_close(out[3], torch.tensor([1.0, 2.0, 3.0]) @ tower.map)
    assert torch.equal(out[2], tower.missing)
    assert torch.equal(out[0], tower.missing)
    assert not any(name == "vectors" for name, _ in tower.named_parameters())
    assert out.abs().max() < 1, "what is mapped starts about as large as an embedding"


def test_how_many_have_a_vector_does_not_change_how_large_mapped_ones_start(items: Entities) -> None:
    sizes = []
    for count in (1, 3):
        torch.manual_seed(0)
        tower = PretrainedTower(items, aligned(items, [1, 2, 3][:count], np.full((count, 3), 5.0)), dim=64)
        sizes.append(tower.map.square().mean().item())
    assert sizes[0] == pytest.approx(sizes[1])


@pytest.mark.usefixtures("unchecked_types")
def test_vectors_may_be_any_array(items: Entities, vectors: torch.Tensor) -> None:
    assert torch.equal(PretrainedTower(items, vectors.double().numpy()).vectors.nan_to_num(), vectors.nan_to_num())


def test_it_is_saved_and_served(log: EventLog, vectors: torch.Tensor, tmp_path: Path) -> None:
    item = PretrainedTower(log.items, vectors, dim=8)
    model = Model(user=FeatureTower(log.users, dim=8), item=item, tasks=[tasks.Retrieval()])
    motet.fit(model, log, epochs=1, device="cpu", progress=False)
    recommender = Recommender(model, log)
    recommender.save(tmp_path / "model")
    again = Recommender.load(tmp_path / "model")
    assert torch.equal(again.recommend(1, 3).scores, recommender.recommend(1, 3).scores)


@pytest.mark.parametrize(
    ("ids", "lines", "message"),
    [
        ([1, 2], LINES, r"2 ids of 'item_id' came with vectors of shape \(3, 3\); give one line an id"),
        ([1], np.array([1.0]), r"1 ids of 'item_id' came with vectors of shape \(1,\)"),
        ([1, 2, 1], LINES, "'item_id' 1 has 2 vectors; give each id one"),
        ([97, 98, 99], LINES, "none of 3 ids, such as 97, is a known 'item_id'; use the ids of the log"),
        (
            [1, 2, 3],
            LINES * [[1.0], [np.inf], [1.0]],
            r"the vector of 'item_id' 2 \(line 1\) holds NaN or infinity; leave",
        ),
    ],
)
def test_vectors_that_cannot_be_aligned(items: Entities, ids: list[int], lines: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        aligned(items, ids, lines)


def test_vectors_that_were_not_aligned(items: Entities) -> None:
    with pytest.raises(
        ConfigError,
        match=r"vectors of shape \(3, 3\) are not one line for each of the 6 rows of 'item_id', the unknown",
    ):
        PretrainedTower(items, torch.tensor(LINES).float())


TABLES = {
    "columns": {"item_id": [3, 99, 1], "a": [0.5, 0.0, 2.0], "b": [1, 0, 3]},
    "lists": {"item_id": [3, 99, 1], "vector": [[0.5, 1.0], [0.0, 0.0], [2.0, 3.0]]},
}


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("suffix", ["parquet", "arrow", "array"])
def test_vectors_from_a_file(items: Entities, tmp_path: Path, kind: str, suffix: str) -> None:
    table, file = pl.DataFrame(TABLES[kind]), tmp_path / f"vectors.{suffix.replace('array', 'parquet')}"
    if suffix == "array" and kind == "lists":
        table = table.with_columns(pl.col("vector").list.to_array(2))
    table.write_ipc(file) if suffix == "arrow" else table.write_parquet(file)
    read = read_vectors(items, file)
    assert torch.equal(read.nan_to_num(9), aligned(items, [3, 1], np.array([[0.5, 1.0], [2.0, 3.0]])).nan_to_num(9))
    assert torch.equal(PretrainedTower(items, str(file), dim=4).vectors.nan_to_num(9), read.nan_to_num(9))


def test_ids_of_vectors_in_csv_are_text_if_those_of_the_log_are(tmp_path: Path) -> None:
    (tmp_path / "vectors.csv").write_text("item,a\n12,0.5\n")
    entities = Entities("item", Vocab.build(["007", "12"], "item"))
    assert read_vectors(entities, tmp_path / "vectors.csv")[2].tolist() == [0.5]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"item": [1], "a": [1.0]}, "column 'item_id' is not in vectors.parquet"),
        ({"item_id": [1]}, "vectors.parquet has ids alone; beside the ids, write one column of lists of numbers"),
        ({"item_id": [1], "a": [1.0], "b": ["x"]}, "has a column 'b' of type String; beside the ids"),
        ({"item_id": [1], "a": [1.0], "b": [[1.0]]}, r"has a column 'b' of type List\(Float64\); beside the ids"),
        (
            {"item_id": [1, 2], "a": [[1.0], [1.0, 2.0]]},
            "column 'a' of vectors.parquet holds lists of 1, 2 numbers; write one length",
        ),
        ({"item_id": [1, 2], "a": [[1.0], None]}, r"the vector of 'item_id' 2 \(line 1\) holds NaN or infinity"),
        ({"item_id": [1, 2], "a": [1.0, None]}, r"the vector of 'item_id' 2 \(line 1\) holds NaN or infinity"),
    ],
)
def test_files_that_hold_no_vectors(items: Entities, tmp_path: Path, table: dict[str, Any], message: str) -> None:
    pl.DataFrame(table).write_parquet(tmp_path / "vectors.parquet")
    with pytest.raises(DataError, match=message):
        read_vectors(items, tmp_path / "vectors.parquet")
