from __future__ import annotations

import gc
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
import torch
from safetensors.torch import load_file, save_file

from motet.mapped import ALIGNMENT, KINDS, Mapped, aligned, content, is_mapped, let_go


def test_tensors_of_every_kind_and_shape(tmp_path: Path) -> None:
    tensors = {str(kind): torch.arange(6).reshape(2, 3).to(kind) for kind in KINDS.values()}
    tensors |= {"none": torch.zeros(0, 4), "one": torch.tensor(7.0), "flag": torch.tensor(True)}
    save_file(tensors, tmp_path / "file", {"made": "here"})
    mapped = Mapped(tmp_path / "file")
    assert mapped.told == {"made": "here"}
    assert mapped.tensors.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert mapped.tensors[name].dtype == tensor.dtype
        assert mapped.tensors[name].shape == tensor.shape
        assert mapped.tensors[name].equal(tensor)
    assert Mapped(_plain(tmp_path)).told == {}


def _plain(folder: Path) -> Path:
    save_file({"x": torch.ones(1)}, folder / "plain")
    return folder / "plain"


def test_what_is_written_stays_here(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(aligned("rows", torch.zeros(3, 2), {}))
    mine, theirs = (Mapped(tmp_path / "file").tensors["rows"] for _ in range(2))
    mine[1] = 5
    assert mine.sum() == 10
    assert not theirs.any()
    assert not load_file(tmp_path / "file")["rows"].any()


def test_pages_that_were_given_back_come_again(tmp_path: Path) -> None:
    rows = torch.randn(5_000, 7)
    (tmp_path / "file").write_bytes(aligned("rows", rows, {}))
    mapped = Mapped(tmp_path / "file")
    assert mapped.tensors["rows"].equal(rows)
    let_go([*mapped.tensors.values(), torch.ones(3)])
    assert mapped.tensors["rows"].equal(rows)


@pytest.mark.parametrize("told", [{}, {"task": "retrieval"}, {"task": "x" * 61}])
def test_a_tensor_lies_as_torch_lays_it(tmp_path: Path, told: dict[str, str]) -> None:
    (tmp_path / "file").write_bytes(aligned("rows", torch.randn(3, 5), told))
    assert Mapped(tmp_path / "file").tensors["rows"].data_ptr() % ALIGNMENT == 0
    assert Mapped(tmp_path / "file").told == told


def test_equal_tensors_give_equal_files() -> None:
    told = {name: name for name in "abcdef"}
    assert len({content({"x": torch.ones(2), "y": torch.zeros(3)}, told) for _ in range(20)}) == 1


def test_it_is_known_what_lies_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(aligned("rows", torch.randn(3, 5), {}))
    rows = Mapped(tmp_path / "file").tensors["rows"]
    assert is_mapped(rows)
    assert is_mapped(rows[2:, 1:])
    assert is_mapped(torch.nn.Parameter(rows).data)
    assert not is_mapped(rows.clone())
    place = rows.data_ptr()
    del rows
    gc.collect()
    assert not is_mapped(torch.ones(3)), place


def test_numbers_that_motet_never_writes_are_refused(tmp_path: Path) -> None:
    save_file({"x": torch.ones(2, dtype=torch.complex64)}, tmp_path / "file")
    with pytest.raises(ValueError, match="it holds numbers of kind C64, which motet never writes"):
        Mapped(tmp_path / "file")


def test_a_file_is_mapped_while_another_thread_asks_for_tensors(tmp_path: Path) -> None:
    """A service loads a model beside those that it serves; the list of mapped files grew while it was read."""
    (tmp_path / "file").write_bytes(aligned("rows", torch.eye(2), {}))
    held = [Mapped(tmp_path / "file") for _ in range(300)]
    done = Event()

    def ask() -> int:
        asked = 0
        while not done.is_set():
            assert not is_mapped(torch.zeros(1))
            asked += 1
        return asked

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # seconds: one thread often stops where another goes on
    with ThreadPoolExecutor(2) as threads:
        asking = [threads.submit(ask) for _ in range(2)]
        try:
            held += [Mapped(tmp_path / "file") for _ in range(300)]
        finally:
            done.set()
            sys.setswitchinterval(before)
        assert all(each.result() for each in asking)
