"""Contents that no model wrote, under checksums that hold; `python -m benchmarks.fuzz_artifact` tries many more."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.crafted import Files, crafted, manifest
from motet.errors import MotetError
from motet.serve.models.served import ServedModel

Place = tuple[Path, Files]


@pytest.fixture(scope="module")
def place(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    names = json.loads((saved / "manifest.json").read_bytes())["files"]
    files = {name: (saved / name).read_bytes() for name in names}
    return tmp_path_factory.mktemp("crafted"), files


@settings(max_examples=40, derandomize=True)
@given(st.integers(0, 2**32))
def test_nothing_but_an_error_with_a_name_comes_of_them(place: Place, seed: int) -> None:
    path, files = place
    chance = random.Random(seed)
    odd = chance.random() < 0.15
    _, made = ("", files) if odd else crafted(files, chance)
    for name, content in made.items():
        (path / name).write_bytes(content)
    (path / "manifest.json").write_bytes(manifest(made, chance if odd else None))
    try:
        answer = ServedModel.load(path).describe()
    except MotetError as error:
        words = str(error)[:1_000]
    else:
        words = json.dumps(answer, allow_nan=False) and repr(str(path))
    assert any(repr(name) in words for name in (*files, str(path)))
