"""Large arrays that processes hold once."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import torch

from motet.mapped import Mapped, aligned, is_mapped
from motet.recommender import Recommender
from motet.serve.models.served import ServedModel
from motet.serve.rollout import shared_arrays as sharing
from motet.serve.rollout.shared_arrays import SharedArrays, tensors
from serve.conftest import films


class Arrays:
    """Of a model: two views of one array, a parameter, and a small one."""

    def __init__(self, seed: int) -> None:
        draw = torch.Generator().manual_seed(seed)
        self.rows = torch.randn(1_000, 300, generator=draw)
        self.known = self.rows[1:, :7]
        self.parts = {"layer": torch.nn.Linear(600, 600)}
        self.parts["layer"].weight.data = torch.randn(600, 600, generator=draw)
        self.small = torch.ones(3)


Arrays.__module__ = "motet.tests"


def mapped() -> str:
    return Path("/proc/self/maps").read_text()


def test_arrays_stay_what_they_are(tmp_path: Path) -> None:
    arrays, same = Arrays(0), Arrays(0)
    SharedArrays(tmp_path).share(arrays)
    weight = arrays.parts["layer"].weight
    assert arrays.rows.equal(same.rows)
    assert arrays.known.equal(same.known)
    assert arrays.known.data_ptr() == arrays.rows.data_ptr() + 300 * 4
    assert weight.equal(same.parts["layer"].weight)
    assert isinstance(weight, torch.nn.Parameter)
    assert weight.requires_grad
    assert len(list(tmp_path.iterdir())) == 2
    if Path("/proc/self/maps").exists():
        assert all(str(file) in mapped() for file in tmp_path.iterdir())


def test_equal_arrays_share_a_file_and_writing_is_private(tmp_path: Path) -> None:
    one, other = Arrays(0), Arrays(0)
    for arrays in (one, other):
        SharedArrays(tmp_path).share(arrays)
    assert len(list(tmp_path.iterdir())) == 2
    one.rows[3] = 7
    assert not other.rows[3].eq(7).any()
    third = Arrays(0)
    SharedArrays(tmp_path).share(third)
    assert third.rows.equal(other.rows)


def test_what_lies_in_a_file_stays_there(tmp_path: Path) -> None:
    arrays = Arrays(0)
    (tmp_path / "rows").write_bytes(aligned("rows", arrays.rows, {}))
    arrays.rows = Mapped(tmp_path / "rows").tensors["rows"]
    arrays.known = arrays.rows[1:]
    SharedArrays(tmp_path / "arrays").share(arrays)
    assert len(list((tmp_path / "arrays").iterdir())) == 1  # the weights of the layer
    assert is_mapped(arrays.rows)


def test_files_of_models_that_are_gone_go(tmp_path: Path) -> None:
    shared, old, new = SharedArrays(tmp_path), Arrays(0), Arrays(1)
    shared.share(old)
    shared.share(new)
    for file in tmp_path.iterdir():
        os.utime(file, (time.time() - 2 * sharing.KEPT_S,) * 2)
    before = old.rows.clone()
    shared.share(Arrays(2))  # made a moment ago: another process may be about to map it
    shared.sweep([new])
    assert len(list(tmp_path.iterdir())) == 4
    assert old.rows.equal(before)


def test_another_process_sweeps_at_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = SharedArrays(tmp_path)
    monkeypatch.setattr(type(tmp_path), "glob", lambda folder, _: iter([folder / "gone"]))
    shared.sweep([])


def test_a_full_disk_leaves_everything_as_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    arrays = Arrays(0)
    with caplog.at_level("INFO", logger="motet.serve"):
        SharedArrays(tmp_path / "file").share(arrays)
    assert '"event": "memory", "shared": false' in caplog.text
    assert arrays.rows.equal(Arrays(0).rows)


def test_a_recommender_answers_the_same_from_files(
    recommender: Recommender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "SMALLEST", 1)
    copied = ServedModel(Recommender(recommender.model, films()), name="films")
    copied.warm()
    found = {id(tensor) for tensor in tensors(copied)}
    scorer, log = copied.recommender.scorer, copied.recommender.log
    for tensor in (
        scorer.items,
        scorer.counts,
        scorer.everyone,
        log.batch().items,
        *copied.recommender.model.parameters(),
    ):
        assert id(tensor) in found
    SharedArrays(tmp_path).share(copied)
    for user in (*range(1, 9), 99):
        mine, theirs = copied.recommender.recommend(user, 12), recommender.recommend(user, 12)
        assert mine.ids.tolist() == theirs.ids.tolist()
        assert mine.scores.equal(theirs.scores)
