from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest
import torch

from motet.cli import main
from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.recommender import Recommender
from untrained import untrained


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def motet(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the program in this process, wide enough that no table wraps."""
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("TERM", "dumb")

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["motet", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return Ran(int(ended.value.code or 0), printed.out, printed.err)

    return run


def shop() -> EventLog:
    """Customers 1 to 8, films by title."""
    generator = torch.Generator().manual_seed(4)
    customers = torch.randint(1, 9, (50,), generator=generator).tolist()
    titles = [f"[Film] {number}" for number in torch.randint(0, 12, (50,), generator=generator).tolist()]
    stars = torch.randint(1, 6, (50,), generator=generator).tolist()
    films = pl.DataFrame(
        {
            "title": [f"[Film] {number}" for number in range(12)],
            "genres": ["war", "jazz"] * 6,
            "year": range(1980, 1992),
        }
    )
    events = pl.DataFrame({"customer": customers, "title": titles, "stars": stars})
    return EventLog.read(events, Schema(user="customer", item="title", signals=("stars",)), items=films)


@pytest.fixture(scope="session")
def recommender() -> Recommender:
    return untrained(shop())


@pytest.fixture(scope="session")
def saved(recommender: Recommender, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "model"
    recommender.save(path)
    return path
