from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch

from motet import demo
from motet.data import datasets
from motet.data.log import EventLog
from motet.data.schema import MultiValued, Numeric, Schema, Text
from motet.demo import FILM, USER, Demonstration
from motet.errors import ConfigError
from motet.recommender import Recommender

from .cli.conftest import Run, motet  # noqa: F401

SYSTEMS = ["global mean", "popularity", "rating only (1, 0)", "retrieval only (0, 1)", "joint (1, 1)", "best"]


def small_movielens(*_: object, **__: object) -> EventLog:
    """Some films, with the columns of the real ones."""
    generator = torch.Generator().manual_seed(1)
    titles = [f"[Film] {number} (1990)" for number in range(150)] + [FILM]
    films = torch.randint(0, len(titles), (1000,), generator=generator).tolist()
    events = pl.DataFrame(
        {
            "user_id": torch.randint(1, 60, (1000,), generator=generator).tolist(),
            "title": [titles[film] for film in films],
            "rating": torch.randint(1, 6, (1000,), generator=generator).float().tolist(),
        }
    )
    table = pl.DataFrame({"title": titles, "genres": "war|drama", "year": 1990})
    features = {"title": Text(), "genres": MultiValued(), "year": Numeric()}
    return EventLog.read(events, Schema(item="title", signals=("rating",), item_features=features), items=table)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "model"


@pytest.fixture(scope="module")
def told() -> list[str]:
    return []


@pytest.fixture(scope="module")
def found(folder: Path, told: list[str]) -> Iterator[Demonstration]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "movielens", small_movielens)
        patch.setattr(demo, "TRAIN", 800)
        patch.setattr(demo, "TEST", 200)
        yield demo.run(folder, say=told.append, progress=False)


def test_trains_compares_saves_and_asks(found: Demonstration, folder: Path, told: list[str]) -> None:
    assert list(found.lines) == SYSTEMS
    for key in ("rating/rmse", "retrieval/all items/hit_rate@1", "retrieval/unseen/hit_rate@100"):
        assert 0 <= found.lines["best"].figures[key] < 5
    assert "800 to train on and 200 to test" in found.split
    assert told[0].startswith("MovieLens 100K: fetching")
    assert told[1:] == [*(f"{name}: training and evaluating" for name in SYSTEMS), "report: drawing"]
    assert found.page == folder.with_name("model-report") / "report.html"
    for words in ("joint (1, 1)", "global mean", f"Random rows, seed {demo.SEED}", "Ten users", "Loss of rating"):
        assert words in found.page.read_text()
    saved = Recommender.load(folder)
    assert found.top.ids.tolist() == saved.recommend(USER, 10).ids.tolist()
    assert found.stars == float(saved.predict(USER, FILM)["rating"])


def test_for_machines(found: Demonstration, motet: Run, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(demo, "run", lambda *_, **__: found)
    ran = motet("demo", "--json")
    assert ran.code == 0
    shown = json.loads(ran.out)
    assert list(shown["systems"]) == SYSTEMS
    assert shown["systems"]["joint (1, 1)"]["figures"] == dict(found.lines["joint (1, 1)"].figures)
    assert [item["id"] for item in shown["recommended"]["found"]] == found.top.ids.tolist()
    assert shown["predicted"] == {"user": USER, "item": FILM, "tasks": {"rating": found.stars}}


def test_for_people(found: Demonstration, motet: Run, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(demo, "run", lambda *_, **__: found)
    ran = motet("demo", "-o", "model")
    assert ran.code == 0
    for words in (
        *("RMSE", "top-100", "all items", "unseen", "seed 42", found.split[:60]),
        *("global mean", "popularity", "rating only", "(1, 0)", "retrieval only", "(0, 1)", "joint", "(1, 1)", "best"),
        *found.top.ids,
        f"user {USER}",
        f"User {USER} would give {FILM!r} {found.stars:.2f} stars of 5.",
        "motet recommend model 42",
        "The report is in ",
    ):
        assert words in ran.out
    rows = [line for line in ran.out.splitlines() if "all items" in line]
    assert f"{found.lines['global mean'].figures['global mean/rmse']:.3f}" in rows[0]
    assert f"{found.lines['popularity'].figures['popularity/all items/hit_rate@50']:.3f}" in rows[1]


def test_says_what_a_report_needs(found: Demonstration, motet: Run, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(demo, "run", lambda *_, **__: replace(found, page=None))
    assert "No report was written, for it needs packages: pip install 'motet[report]'" in motet("demo").out


def test_refuses_a_folder_of_something_else_before_it_begins(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(ConfigError, match=r"holds 'notes.txt', which a saved model would replace"):
        demo.run(tmp_path, say=pytest.fail)
