"""What people get wrong, in the shell: one line that names the thing and the way out, and exit code 2."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import tomlkit

from motet.artifact.sealed import seal, unseal

from .conftest import Run

ROWS = 120


def frame() -> pl.DataFrame:
    clicked = [row // 2 % 2 for row in range(ROWS)]
    return pl.DataFrame(
        {
            "user_id": [row % 10 for row in range(ROWS)],
            "item_id": [(row * 7) % 12 for row in range(ROWS)],
            "event": [["view", "purchase", "return"][row % 3] for row in range(ROWS)],
            "clicked": clicked,
            "bought": [click * (row % 2) for row, click in enumerate(clicked)],
            "stars": [float(1 + row % 5) for row in range(ROWS)],
            "none": pl.Series([None] * ROWS, dtype=pl.Float64),
            "minus": [-1.0 if row == 7 else 1.0 for row in range(ROWS)],
            "zero": [0.0] * ROWS,
            "time": list(range(ROWS)),
        }
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    frame().write_parquet("log.parquet")
    project = {
        "data": {"events": "log.parquet"},
        "schema": {"event": "event", "signals": ["clicked", "bought", "stars", "none", "minus", "zero"]},
        "split": {"kind": "random", "test": 0.2, "seed": 0},
        "towers": {"user": {"kind": "FeatureTower", "dim": 4}, "item": {"kind": "FeatureTower", "dim": 4}},
        "tasks": [{"kind": "Retrieval", "positives": "event == 'purchase'"}],
        "training": {"epochs": 1, "batch_size": 64},
    }
    Path("p.toml").write_text(tomlkit.dumps(project))
    return tmp_path


def refused(ran: tuple[int, str, str], words: str) -> None:
    code, out, err = ran
    assert (code, out) == (2, ""), err
    line = err.splitlines()[-1]  # above it stands the progress of what was still well
    assert line.startswith("motet: ")
    assert words in line


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            "tasks.1.positives=event == 'purchas'",
            "which it never is; did you mean 'purchase'? Values found: 'purchase', ",
        ),
        ("tasks.1.positives=stars > 9", "has nothing to learn from: 'stars > 9' holds for none of 96 rows"),
        (
            "tasks.1.negatives=event != 'view'",
            "rows are both positives and negatives of task 'retrieval'; make the conditions exclude",
        ),
        ("tasks=[{kind='Event', label='stars'}]", "rows; task 'stars' needs 0, 1 or a probability between"),
        (
            "tasks=[{kind='Funnel', stages=['bought', 'clicked']}]",
            "a later stage is set where an earlier one is not, in",
        ),
        (
            "tasks.1.positives={where=\"stars > 1\", weight='minus'}",
            "has weight -1.0 for task 'retrieval'; a weight must be",
        ),
        (
            "tasks.1.positives={where=\"stars > 1\", weight='zero'}",
            "all rows have weight 0 for task 'retrieval'; check",
        ),
        ("tasks.1.positive=clicked == 1", "'positive' is not a setting of Retrieval; did you mean 'positives'"),
        ("trainning.epochs=1", "there is no table 'trainning'; did you mean 'training'"),
        ("tasks=[{kind='Rating', label='star'}]", "reads column 'star', which is not in the log; did you mean 'stars'"),
        (
            "tasks=[{kind='Rating', label='none'}]",
            "has nothing to learn from: none of 96 rows has a value in 'none'",
        ),
        ("schema.user=usr_id", "column 'usr_id' is not in log.parquet; did you mean 'user_id'"),
        ("split.test=500", "test=500 rows is out of range: the log has 120; ask for 1 to 120"),
    ],
)
def test_a_project_that_does_not_fit_its_data(motet: Run, folder: Path, change: str, words: str) -> None:
    refused(motet("check", "p.toml", "--set", change), words)
    refused(motet("train", "p.toml", "-o", "model", "--set", change), words)
    assert not (folder / "model").exists()


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("stars", ["4", "five"], "holds text, such as 'five' in row 1"),
        ("stars", [1.0, float("nan")], "column 'stars' of log.parquet has nan in row 1 (counted from 0); numbers must"),
        ("stars", [1.0, float("inf")], "column 'stars' of log.parquet has inf in row 1 (counted from 0); numbers must"),
        ("user_id", [1.5, 2.5], "column 'user_id' of log.parquet holds"),
        ("user_id", [], "log.parquet is empty: it needs at least one row"),
    ],
)
def test_a_log_that_holds_something_else(
    motet: Run, folder: Path, column: str, values: list[object], words: str
) -> None:
    rows = frame().head(len(values))
    rows.with_columns(pl.Series(column, values, dtype=None if values else pl.Int64)).write_parquet("log.parquet")
    refused(motet("train", "log.parquet", "--rating", "stars", "-o", "model"), words)
    assert not (folder / "model").exists()


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        ([1, 2, 2], "has the id 2 in row 1 and again in row 2"),
        (["a", "b", "c"], "convert one of them, or no item will be found"),
    ],
)
def test_an_item_table_that_does_not_fit(motet: Run, folder: Path, ids: list[object], words: str) -> None:
    pl.DataFrame({"item_id": ids}).write_parquet(folder / "items.parquet")
    refused(motet("train", "log.parquet", "--items", "items.parquet", "-o", "model"), words)


def test_a_loss_that_is_no_longer_a_number(motet: Run, folder: Path) -> None:
    optimizer = "training.optimizer={kind='SGD', lr=1e38}"
    changes = ("--set", "tasks=[{kind='Rating', label='stars'}]", "--set", "training.epochs=9", "--set", optimizer)
    refused(motet("train", "p.toml", "-o", "model", *changes), "the loss of 'stars' is ")
    assert not (folder / "model").exists()


def test_a_saved_model_is_asked_for_what_it_has_not(motet: Run, folder: Path) -> None:
    assert motet("train", "p.toml", "-o", "model").code == 0
    refused(motet("recommend", "model", 3, "-k", 0), "k=0; it must be at least 1")
    refused(motet("recommend", "model", 3, "-k", 13), "k=13; it must be at least 1 and at most 12, the number of items")
    refused(motet("predict", "model", 3, 99), "item 99 is not among the 12 known items")
    refused(
        motet("recommend", "model", 3, "--exclude", "x"), "'x' is not an id in item_id: the ids of this model are whole"
    )
    weights = folder / "model" / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-9])
    refused(motet("recommend", "model", 3), "'model.safetensors' in 'model'")
    weights.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    refused(motet("recommend", "model", 3), "'model.safetensors' in 'model' was changed")
    weights.unlink()
    refused(motet("recommend", "model", 3), "model.safetensors")
    manifest = folder / "model" / "manifest.json"
    weights.write_bytes(whole)
    manifest.write_bytes(seal(unseal(manifest.read_bytes()) | {"format": 99}))
    refused(motet("recommend", "model", 3), "in format 99, and this motet ")
