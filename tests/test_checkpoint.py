"""Checkpoints: equal to the last bit, whole or not at all."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import safetensors.torch
import torch

from motet.checkpoint import load_checkpoint, save_checkpoint
from motet.errors import ArtifactError


def test_nested_values_come_back(tmp_path: Path) -> None:
    shared = torch.randn(3, 4)
    state = {
        "a": [shared, {"b": shared.T}, None, True],
        "n": math.nan,
        "rng": torch.get_rng_state(),
        "s": "x",
        "t": (1, 2),
    }
    save_checkpoint(tmp_path / "deep" / "run.safetensors", state)
    back = load_checkpoint(tmp_path / "deep" / "run.safetensors")
    assert torch.equal(back["a"][0], shared)
    assert torch.equal(back["a"][1]["b"], shared.T)
    assert back["a"][2:] == [None, True]
    assert math.isnan(back["n"])
    assert torch.equal(back["rng"], state["rng"])
    assert (back["s"], back["t"]) == ("x", [1, 2])


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.safetensors"
    save_checkpoint(path, {"epoch": 1})

    def full_disk(_: object, name: Path, **__: object) -> None:
        name.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(safetensors.torch, "save_file", full_disk)
    words = "could not write the checkpoint .*run.safetensors: .*No space left on device; the one before is untouched"
    with pytest.raises(ArtifactError, match=words):
        save_checkpoint(path, {"epoch": 2})
    assert load_checkpoint(path) == {"epoch": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["run.safetensors"]


@pytest.mark.parametrize("content", [b"", b"not a checkpoint at all", b"\xff" * 100])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "run.safetensors"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"run.safetensors is damaged or not a checkpoint .*; delete it"):
        load_checkpoint(path)


def test_another_safetensors_file_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file({"w": torch.ones(2)}, path)
    with pytest.raises(ArtifactError, match="damaged or not a checkpoint"):
        load_checkpoint(path)
