"""Benchmarks need minutes, so that tests only import them: a name that they use and the library lost is found.

Where other libraries are compared with motet, motet's side runs on a small case.
"""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from benchmarks.evaluation import motet_side, prepare

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("[!_]*.py")))
def test_a_benchmark_imports(name: str) -> None:
    assert importlib.import_module(f"benchmarks.{name}").__doc__


def test_the_lists_of_a_comparison_have_the_figures_of_the_exact_ranks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["prepare", str(tmp_path), "30", "60", "0.25"])
    prepare.main()

    by_rank, by_search, by_list = (part(tmp_path) for part in (motet_side.every, motet_side.top, motet_side.lists))

    assert by_rank["rows"] == by_search["rows"] == by_list["rows"] > 100
    assert motet_side.factors(tmp_path)["figures"] == by_rank["figures"]
    assert by_search["figures"] == pytest.approx(by_list["figures"])
    for name in ("recall", "precision", "ndcg"):
        assert by_rank["figures"][name] == pytest.approx(by_list["figures"][name])
