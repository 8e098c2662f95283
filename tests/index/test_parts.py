from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from motet.errors import ArtifactError
from motet.index import ApproximateIndex, approximate, load, save
from motet.index.rounded import Rounded
from motet.index.stored import _checksum

VECTORS = torch.randn(128, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Tensor]:
    monkeypatch.setattr(approximate, "FEWEST", 16)
    save(ApproximateIndex(VECTORS), tmp_path / "index")
    rounded = Rounded.of(VECTORS)
    kept = {f"rounded.{name}": getattr(rounded, name) for name in ("codes", "columns", "groups", "longest")}
    return load_file(tmp_path / "index") | kept


def stored(parts: dict[str, Tensor], path: Path, **told: str) -> Path:
    """Under a checksum that holds."""
    about = {"format": "1", "index": "ApproximateIndex", "probes": "1", "shortlist": "9", **told}
    save_file(parts, path, {**about, "sha256": _checksum(parts, about)})
    return path


def test_parts_that_go_together_are_read(parts: dict[str, Tensor], tmp_path: Path) -> None:
    assert torch.equal(load(stored(parts, tmp_path / "index")).vectors, VECTORS)


@pytest.mark.parametrize(
    ("name", "part", "words"),
    [
        ("vectors", VECTORS[0].clone(), "it has no 'vectors' of 2 dimensions"),
        ("vectors", VECTORS.long(), "its vectors are no numbers with a point"),
        ("vectors", VECTORS[:, :4].contiguous(), "its codes are not those of 128 vectors 4 wide"),
        ("vectors", VECTORS[:64].clone(), "its codes are not those of 64 vectors 6 wide"),
        ("removed", torch.tensor([3, 128]), "rows are removed that it does not hold"),
        ("removed", torch.tensor([-1]), "rows are removed that it does not hold"),
        ("removed", torch.tensor([4, 4]), "rows are removed that it does not hold"),
        ("removed", torch.tensor([1.0]), "or the removed rows no whole ones"),
        ("codes", torch.zeros(128, 2, dtype=torch.uint8), "its codes are not those of 128 vectors 6 wide"),
        ("codes", torch.zeros(128, 3), "its codes are not those of 128 vectors 6 wide"),
        ("centroids", torch.zeros(6, 8, 4), "its codes are not those of 128 vectors 6 wide"),
        ("centroids", torch.full((6, 16, 4), torch.nan), "a centroid of its codes is not finite"),
        ("cells", torch.zeros(0, 8), "its cells are not those of vectors 6 wide"),
        ("cells", torch.zeros(1, 4), "its cells are not those of vectors 6 wide"),
        ("cells", torch.zeros(2, 8), "its codes are not those of 128 vectors 6 wide"),
        ("cells", torch.full((1, 8), torch.inf), "the centre of a cell is not finite"),
        ("cell", torch.ones(128, dtype=torch.int32), "not each of its 128 codes lies in one of its cells"),
        ("cell", torch.zeros(127, dtype=torch.int32), "not each of its 128 codes lies in one of its cells"),
        ("cell", torch.zeros(128), "not each of its 128 codes lies in one of its cells"),
        ("vectors", torch.full((128, 6), torch.nan), "index vector 0 is not finite"),
        ("rounded.codes", torch.zeros(100, 6, dtype=torch.int8), "its rounded vectors are not those of 128"),
        ("rounded.columns", torch.zeros(6), "its rounded vectors are not those of 128"),
        ("rounded.groups", torch.full((2, 3), torch.inf), "its rounded vectors are not finite, or numbers of another"),
        ("rounded.longest", torch.zeros(()), "its rounded vectors are not finite, or numbers of another"),
    ],
)
def test_parts_that_do_not_are_named(
    parts: dict[str, Tensor], tmp_path: Path, name: str, part: Tensor, words: str
) -> None:
    with pytest.raises(ArtifactError, match=f"'.*index' was not written by motet: .*{words}"):
        load(stored(parts | {name: part}, tmp_path / "index"))


def test_what_stands_beside_them_is_checked(parts: dict[str, Tensor], tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="it is an index of kind 'Codes'; kinds: ExactIndex, ApproximateIndex"):
        load(stored(parts, tmp_path / "index", index="Codes"))
    for name, value in product(("probes", "shortlist"), ("", "0", "-1", "x", "9" * 30, "0" * 18 + "9" * 20)):
        with pytest.raises(ArtifactError, match=f"its {name} is '{value}'"):
            load(stored(parts, tmp_path / "index", **{name: value}))
    del parts["rounded.groups"]
    with pytest.raises(ArtifactError, match=r"was not written by motet: 'rounded\.groups'"):
        load(stored(parts, tmp_path / "index"))
