"""Every example runs, as a person would run it."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ELSEWHERE = {"serve_without_torch"}  # needs an artifact: tests/export runs it
FOUND = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
EXAMPLES = [example for example in FOUND if example.stem not in ELSEWHERE]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_example_runs(example: Path, tmp_path: Path) -> None:
    if "lightning" in example.stem and find_spec("lightning") is None:
        pytest.skip("Lightning is not installed: pip install 'motet[examples]'")
    run = subprocess.run([sys.executable, example], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout
