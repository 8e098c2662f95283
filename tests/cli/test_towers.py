"""Projects whose towers read what a user did before, or the event: trained, saved, judged and asked."""

from __future__ import annotations

import json
import random
from pathlib import Path

import polars as pl
import pytest

from .conftest import Run

PROJECT = """
data = {events = "events.parquet"}
schema = {user = "user_id", item = "sku", time = "time", event = "event", CONTEXT}
split = {kind = "by_time", test = 0.25}
validation = {kind = "random", test = 0.1}
RECENT
towers.user = TOWER
towers.item = {kind = "FeatureTower", dim = 4}
tasks = [{kind = "Retrieval", positives = "event != 'view'"}]
training = {epochs = 2, batch_size = 64}
"""
RECENT = """recent = {length = 4, where = "event == 'buy'"}"""
DEVICE = 'context_features = {device = "Categorical", price = "Numeric"}'
PROJECTS = {
    "sequence": (RECENT, '{kind = "SequenceTower", length = 4, dim = 4}', ""),
    "attention": (RECENT, '{kind = "SequenceTower", length = 3, dim = 4, encoder = "attention", dropout = 0.1}', ""),
    "history": ("", """{kind = "HistoryTower", dim = 4, where = "event == 'buy'"}""", ""),
    "context": ("", '{kind = "ContextTower", context = ["device", "price"], dim = 4}', DEVICE),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    random.seed(3)
    events = pl.DataFrame(
        {
            "user_id": [f"u{row % 15}" for row in range(400)],
            "sku": [random.randrange(25) for _ in range(400)],
            "event": [random.choice(["view", "cart", "buy"]) for _ in range(400)],
            "time": [1_700_000_000 + 60 * row for row in range(400)],
            "device": [random.choice(["tv", "phone", None]) for _ in range(400)],
            "price": [random.choice([1.5, 3.0, None]) for _ in range(400)],
        }
    )
    events.write_parquet(tmp_path / "events.parquet")
    events[300:].write_parquet(tmp_path / "test.parquet")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("kind", PROJECTS)
def test_from_a_project_to_recommendations(motet: Run, folder: Path, kind: str) -> None:
    recent, tower, context = PROJECTS[kind]
    text = (
        PROJECT.replace("RECENT", recent).replace("TOWER", tower).replace(", CONTEXT", f", {context}" * bool(context))
    )
    (folder / "motet.toml").write_text(text)
    assert motet("check", "motet.toml").code == 0
    trained = motet("train", "motet.toml", "-o", "model", "--json")
    assert trained.code == 0, trained.err
    judged = motet("evaluate", "model", "test.parquet", "--json")
    assert judged.code == 0, judged.err
    report = json.loads(trained.out)["report"]
    assert json.loads(judged.out)["figures"] == pytest.approx(report["figures"])
    found = json.loads(motet("recommend", "model", "u3", "nobody", "-k", 3, "--json").out)
    assert [len(answer["found"]) for answer in found] == [3, 3]
    assert [answer["known"] for answer in found] == [True, False]
    assert motet("predict", "model", "u3", 5).code == 0
    assert motet("similar", "model", "u3", "--users", "-k", 2).code == 0


def test_a_file_to_evaluate_on_has_the_context_that_the_towers_read(motet: Run, folder: Path) -> None:
    """With the usual context in its place, figures would differ from those of training, and nothing would say so."""
    text = PROJECT.replace("RECENT\n", "").replace("TOWER", PROJECTS["context"][1]).replace("CONTEXT", DEVICE)
    (folder / "motet.toml").write_text(text)
    assert motet("train", "motet.toml", "-o", "model").code == 0
    assert "phone" in motet("evaluate", "model", "test.parquet", "--slices", "device").out
    pl.read_parquet(folder / "test.parquet").rename({"device": "devise"}).write_parquet(folder / "test.parquet")
    told = motet("evaluate", "model", "test.parquet")
    assert told.code == 2
    assert "column 'device' is not in test.parquet; did you mean 'devise'" in told.err


def test_so_it_has_if_the_item_tower_alone_reads_it(motet: Run, folder: Path) -> None:
    text = PROJECT.replace("RECENT\n", "").replace("CONTEXT", 'signals = ["stars"], ' + DEVICE)
    text = text.replace("user = TOWER", 'user = {kind = "FeatureTower", dim = 4}')
    text = text.replace('item = {kind = "FeatureTower", dim = 4}', f"item = {PROJECTS['context'][1]}")
    text = text.replace("""{kind = "Retrieval", positives = "event != 'view'"}""", '{kind = "Rating", label = "stars"}')
    (folder / "motet.toml").write_text(text)
    for file in ("events.parquet", "test.parquet"):
        pl.read_parquet(folder / file).with_columns(stars=2 * pl.col("price")).write_parquet(folder / file)
    trained = motet("train", "motet.toml", "-o", "model", "--json")
    assert trained.code == 0, trained.err
    figures = json.loads(motet("evaluate", "model", "test.parquet", "--json").out)["figures"]
    for key in ("stars/rmse", "stars/mae"):
        assert figures[key] == pytest.approx(json.loads(trained.out)["report"]["figures"][key])


def test_only_losses_are_called_losses(motet: Run, folder: Path) -> None:
    (folder / "motet.toml").write_text(
        PROJECT.replace("RECENT\n", "").replace("TOWER", '"FeatureTower"').replace(", CONTEXT", "")
    )
    trained = motet("train", "motet.toml", "-o", "model", "--set", "towers.item.dim=32")
    assert "losses of the last epoch: retrieval " in trained.out, trained.err
    assert "validation/" not in trained.out
