from __future__ import annotations

import errno
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from motet.errors import ArtifactError, ConfigError
from motet.index import ApproximateIndex, ExactIndex, Index, approximate, load, rounded, save


@pytest.fixture(params=["exact", "rounded", "approximate", "few rows"])
def index(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Index:
    monkeypatch.setattr(approximate, "FEWEST", 10_000 if request.param == "few rows" else 16)
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: True)
    if request.param == "rounded":
        monkeypatch.setattr(rounded, "FEWEST", 16)
    vectors = torch.randn(400, 8, generator=torch.Generator().manual_seed(0))
    exact = request.param in ("exact", "rounded")
    built = ExactIndex(vectors) if exact else ApproximateIndex(vectors, cells=6, probes=3, shortlist=9)
    built.remove(torch.tensor([3, 7]))
    built.add(torch.ones(2, 8))
    return built


def copied(index: Index) -> bool:
    return (index if isinstance(index, ExactIndex) else index.exact).rounded is not None


def test_saved_and_loaded_gives_the_same_answers(index: Index, tmp_path: Path) -> None:
    save(index, tmp_path / "index")
    again = load(tmp_path / "index")
    assert type(again) is type(index)
    assert copied(again) == copied(index)
    queries = torch.randn(4, 8, generator=torch.Generator().manual_seed(1))
    for k in (1, 8):
        for one, other in zip(index.search(queries, k), again.search(queries, k), strict=True):
            assert torch.equal(one, other)
    again.add(torch.ones(1, 8))
    assert len(again) == len(index) + 1
    assert [file.name for file in tmp_path.iterdir()] == ["index"]


def test_a_rounded_copy_is_left_in_the_file_where_the_processor_has_no_use_for_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(rounded, "FEWEST", 16)
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: True)
    save(ExactIndex(torch.ones(64, 8)), tmp_path / "index")
    assert copied(load(tmp_path / "index"))
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: False)
    assert not copied(load(tmp_path / "index"))


def test_a_flipped_bit_anywhere_is_refused(index: Index, tmp_path: Path) -> None:
    file = tmp_path / "index"
    save(index, file)
    whole = file.read_bytes()
    for place in range(0, len(whole), len(whole) // 60):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(ArtifactError, match=r"is damaged: |was changed: its checksum|has format"):
            load(file)
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArtifactError, match="is damaged: "):
        load(file)


def test_a_full_disk_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "index.safetensors"
    save(ExactIndex(torch.eye(3)), file)
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        write(path, content[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    words = r"could not write '.*index\.safetensors': No space left on device; an existing file is untouched"
    with pytest.raises(ArtifactError, match=words):
        save(ExactIndex(torch.ones(2, 2)), file)
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    assert len(load(file)) == 3


def test_refuses(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="there is no index at"):
        load(tmp_path / "none")
    save_file({"vectors": torch.zeros(2, 2)}, tmp_path / "other")
    with pytest.raises(ArtifactError, match="was changed: its checksum does not fit"):
        load(tmp_path / "other")
    save_file({"vectors": torch.zeros(2, 2)}, tmp_path / "newer", {"format": "2"})
    with pytest.raises(ArtifactError, match="has format 2, and this motet reads format 1; upgrade"):
        load(tmp_path / "newer")

    class Other(Index):
        __len__ = ExactIndex.__len__
        search = ExactIndex.search
        add = ExactIndex.add
        remove = ExactIndex.remove

    with pytest.raises(ConfigError, match="a Other cannot be saved; save an ExactIndex or an ApproximateIndex"):
        save(Other(), tmp_path / "index")
