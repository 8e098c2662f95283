from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file

from motet.artifact import reading as tables
from motet.artifact.reading import read_log, reading
from motet.artifact.saved import save
from motet.artifact.sealed import read_document
from motet.data.log import EventLog
from motet.data.schema import Categorical, Schema
from motet.errors import ArtifactError, ConfigError, DataError
from motet.mapped import is_mapped
from motet.model import Model
from motet.tasks import Rating
from motet.towers import FeatureTower


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    events = {
        "user_id": [1, 2, 2],
        "item_id": ["a", "b", "a"],
        "stars": [1, 2, None],
        "at": [5, 6, 7],
        "event": list("xyx"),
    }
    users = pl.DataFrame({"user_id": [1, 2], "job": ["cook", None]})
    schema = Schema(time="at", event="event", signals=("stars",), user_features={"job": Categorical()})
    log = EventLog.read(pl.DataFrame(events), schema, users=users)
    model = Model(
        user=FeatureTower(log.users, dim=2), item=FeatureTower(log.items, dim=2), tasks=[Rating("stars", hidden=())]
    )
    save(tmp_path, model, log)
    return tmp_path


def read(folder: Path, **changes: Any) -> EventLog:
    document = read_document(folder, "model.json", "it")
    return read_log(folder, "it", document | changes)


def test_reads_what_was_saved(saved: Path) -> None:
    log = read(saved)
    assert log.frame().to_dicts()[2] == {"user_id": 2, "item_id": "a", "at": 7, "event": "x", "stars": None}
    assert log.users.table["job"].to_list() == ["cook", None]


def test_events_stay_in_their_file(saved: Path) -> None:
    assert all(map(is_mapped, read(saved).columns.values()))


def test_the_order_of_many_ids_is_checked_across_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "PART", 3)
    for ids in ([], [1], list(range(9)), list(range(10)), list(range(11))):
        assert tables._ascending(pl.Series(ids, dtype=pl.Int64))
        for place in range(1, len(ids)):
            wrong = [*ids[:place], ids[place - 1], *ids[place + 1 :]]
            assert not tables._ascending(pl.Series(wrong, dtype=pl.Int64))


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("users.parquet", {"user_id": [1, 1]}, "the ids in 'user_id' are not unique and sorted"),
        ("users.parquet", {"user_id": [2, 1]}, "the ids in 'user_id' are not unique and sorted"),
        ("users.parquet", {"user_id": [1, None]}, "the ids in 'user_id' are not unique and sorted"),
        ("users.parquet", {"user_id": [1.0, 2.0]}, "the ids in 'user_id' are not unique and sorted"),
        ("users.parquet", {"job": ["a" * 2_000_000, "b"]}, "bytes unpack to .* more than any log does"),
        ("users.parquet", {"job": [[1], [2]]}, "column 'job' of the table of 'user_id' holds values of type List"),
    ],
)
def test_a_table_that_motet_does_not_write_is_named(
    saved: Path, file: str, change: Mapping[str, Any], words: str
) -> None:
    table = pl.read_parquet(saved / file)
    for name, values in change.items():
        table = table.drop(name) if values is None else table.with_columns(pl.Series(name, values))
    table.write_parquet(saved / file)
    with pytest.raises((ArtifactError, DataError), match=f"'{file}' in 'it'.*{words}"):
        read(saved)


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("user_id", [1, 2, 3], "column 'user_id' names a row that does not exist; there are 3"),
        ("item_id", [1, -1, 2], "column 'item_id' names a row that does not exist; there are 3"),
        ("event", [1, 2, 9], "column 'event' names a row that does not exist; there are 3"),
        ("item_id", [1, 2], "its columns are not equally long"),
        ("item_id", [[1], [2], [1]], r"column 'item_id' holds numbers of shape \(3, 1\) and kind torch.int64"),
        ("stars", [1, 2, 3], r"column 'stars' holds numbers of shape \(3,\) and kind torch.int64"),
        ("at", [1.0, float("nan"), 3.0], "column 'at' holds a time that is not finite"),
        ("at", None, "KeyError: 'at'"),
    ],
)
def test_events_that_motet_does_not_write_are_named(saved: Path, name: str, values: Any, words: str) -> None:
    columns = load_file(saved / "events.safetensors")
    kind = torch.float64 if name == "at" else torch.int64
    columns |= {name: torch.tensor([] if values is None else values, dtype=kind)}
    if values is None:
        del columns[name]
    save_file(columns, saved / "events.safetensors")
    with pytest.raises(ArtifactError, match=f"'events.safetensors' in 'it'.*{words}"):
        read(saved)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": {"signals": [5]}}, ""),
        ({"schema": {"users": "x"}}, "a schema has no field 'users'"),
        ({"vocabs": {}}, "it does not list the values of 'event'"),
        ({"vocabs": {"event": ["y", "x"]}}, "the values of 'event' are not unique and sorted"),
        ({"vocabs": {"event": [[1]]}}, "the values of 'event' are neither all text nor all integers"),
        ({"recents": 3}, "TypeError: 'int' object is not iterable"),
        ({"recents": {"x": 3}}, "TypeError"),
    ],
)
def test_a_declaration_that_is_none_is_named(saved: Path, change: Mapping[str, Any], words: str) -> None:
    with pytest.raises((ArtifactError, ConfigError, DataError), match=f"'model.json' in 'it'.*{words}"):
        read(saved, **change)


def test_a_table_that_is_no_table_is_named(saved: Path) -> None:
    whole = (saved / "users.parquet").read_bytes()
    for content in (b"", whole[:40], b"x" * 400, whole[:60] + bytes(20) + whole[80:]):
        (saved / "users.parquet").write_bytes(content)
        with pytest.raises(ArtifactError, match=r"'users.parquet' in 'it' does not hold what motet writes"):
            read(saved)


def test_errors_keep_their_kind_and_get_a_name() -> None:
    with pytest.raises(ConfigError, match=r"^'a' in 'b': no$"), reading("a", "b"):
        raise ConfigError("no")
    with pytest.raises(ConfigError, match=r"^'a' says no$"), reading("a", "b"):
        raise ConfigError("'a' says no")
    with pytest.raises(ConfigError, match=r"^no$"), reading("a", "b", but=ConfigError):
        raise ConfigError("no")
    words = r"'a' in 'b' does not hold what motet writes \(IndexError: list index"
    with pytest.raises(ArtifactError, match=words), reading("a", "b"):
        [][1]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[" * 100_000, "it is not JSON"),
        (b'{"a": 1', "it is not JSON"),
        (b"\xff\xfe{}", "it is not JSON"),
        (b'{"a": ' + b"1" * 5_000 + b"}", "it is not JSON"),
        (json.dumps([1]).encode(), "it holds a list and not an object"),
    ],
    ids=["deep", "cut off", "binary", "long", "list"],
)
def test_a_document_that_is_none_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ArtifactError, match=f"'a.json' in 'it' was not written by motet: {words}.*; ask for it again"):
        read_document(tmp_path, "a.json", "it")
