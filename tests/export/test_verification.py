from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motet.artifact.folder import Kind, write_folder
from motet.errors import ArtifactError
from motet.export import verify

FLIPS = settings(max_examples=60)


def test_says_what_holds(saved: Path, artifact: Path) -> None:
    assert verify(artifact) == [
        "no file is missing, added or changed",
        "the weights match the declaration",
        "ids, vectors and seen items for serving are those of the model",
        "the programs agree with the model within 1e-5",
    ]
    assert verify(saved)[-1] == "there are no programs"


@FLIPS
@given(st.data())
def test_one_flipped_bit_is_refused_by_name(artifact: Path, data: st.DataObject) -> None:
    names = ["manifest.json", *json.loads((artifact / "manifest.json").read_bytes())["files"]]
    file = artifact / data.draw(st.sampled_from(names))
    whole = file.read_bytes()
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    flipped = bytearray(whole)
    flipped[bit // 8] ^= 1 << bit % 8
    file.write_bytes(flipped)
    try:
        with pytest.raises(ArtifactError, match=f"'{file.relative_to(artifact).as_posix()}' in '.*artifact'"):
            verify(artifact)
    finally:
        file.write_bytes(whole)


def test_a_program_of_another_model_is_refused(artifact: Path, tmp_path: Path) -> None:
    names = json.loads((artifact / "manifest.json").read_bytes())["files"]
    files = {name: (artifact / name).read_bytes() for name in names}
    user, rank = files["serving/user.onnx"], files["serving/rank.onnx"]
    write_folder(tmp_path / "a", (files | {"serving/user.onnx": rank}).items(), kind=Kind.ARTIFACT)
    with pytest.raises(ArtifactError, match=r"'serving/user.onnx' does not run: .+; export again"):
        verify(tmp_path / "a")
    write_folder(tmp_path / "a", (files | {"serving/user.onnx": user[:-300]}).items(), kind=Kind.ARTIFACT)
    with pytest.raises(ArtifactError, match=r"'serving/user.onnx' does not run: .+; export again"):
        verify(tmp_path / "a")


def test_other_files_for_serving_are_refused(artifact: Path, tmp_path: Path) -> None:
    names = json.loads((artifact / "manifest.json").read_bytes())["files"]
    files = {name: (artifact / name).read_bytes() for name in names}
    stream = io.BytesIO()
    np.save(stream, np.array([{}]), allow_pickle=True)
    ids = json.loads(files["serving/ids.json"])
    others = {
        "serving/candidates.npy": files["serving/vectors.npy"],
        "serving/seen.npy": stream.getvalue(),
        "serving/vectors.npy": b"",
        "serving/seen_ends.npy": files["serving/seen.npy"],
        "serving/ids.json": json.dumps({**ids, "items": ids["items"][::-1]}).encode(),
        "serving/serving.json": b"{}",
    }
    for name, content in others.items():
        write_folder(tmp_path / "a", (files | {name: content}).items(), kind=Kind.ARTIFACT)
        with pytest.raises(ArtifactError, match=f"'{name}' in '.*' is not what an export of this model writes; export"):
            verify(tmp_path / "a")
    for name in (*others, "serving/user.onnx", "serving/rank.onnx"):
        write_folder(
            tmp_path / "a", ((each, content) for each, content in files.items() if each != name), kind=Kind.ARTIFACT
        )
        with pytest.raises(ArtifactError, match=f"'{name}' in '.*' is missing; export again"):
            verify(tmp_path / "a")


def test_what_numpy_cannot_read_is_refused_as_any_other_array(artifact: Path, tmp_path: Path) -> None:
    names = json.loads((artifact / "manifest.json").read_bytes())["files"]
    files = {name: (artifact / name).read_bytes() for name in names}
    archive = io.BytesIO()
    np.savez(archive, np.zeros(3))
    width = str({"descr": "<f4", "fortran_order": False, "shape": (10**30,)})
    heads = [b"\x93NUMPY\1\0" + len(head).to_bytes(2, "little") + head for head in (b"{[]: 1}", b"(((", width.encode())]
    for content in (archive.getvalue(), *heads):
        write_folder(tmp_path / "a", (files | {"serving/vectors.npy": content}).items(), kind=Kind.ARTIFACT)
        with pytest.raises(
            ArtifactError, match=r"'serving/vectors\.npy' in '.*' is not what an export of this model writes"
        ):
            verify(tmp_path / "a")


def test_a_file_that_the_manifest_does_not_list_either_is_missed(artifact: Path, tmp_path: Path) -> None:
    names = json.loads((artifact / "manifest.json").read_bytes())["files"]
    for gone in ("model.json", "model.safetensors", "events.safetensors", "users.parquet", "items.parquet"):
        left = ((name, (artifact / name).read_bytes()) for name in names if name != gone)
        write_folder(tmp_path / "a", left, kind=Kind.ARTIFACT)
        with pytest.raises(ArtifactError, match=f"'{gone}' in '.*' is missing; restore it from a copy"):
            verify(tmp_path / "a")


def test_what_is_not_there_is_not_run(artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(artifact, tmp_path / "artifact")
    monkeypatch.setattr("motet.export.verification.find_spec", lambda _: None)
    assert verify(tmp_path / "artifact")[-1] == "the programs were not run: pip install 'motet[onnx]'"
