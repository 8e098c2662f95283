from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from motet.project import Project

TEXT = """# a shop
[data]
events = "log.csv"

[schema]
user = "user"
item = "item"
signals = ["stars"]

[split]
kind = "random"
test = 0.2

[validation]
kind = "random"
test = 0.25

[towers.user]
kind = "FeatureTower"
dim = 4 # small

[towers.item]
kind = "FeatureTower"
dim = 4

[[tasks]]
kind = "Rating"
label = "stars"

[[tasks]]
kind = "Retrieval"

[weights]
retrieval = 2

[training]
epochs = 2 # few
batch_size = 64
"""


def written(folder: Path) -> Path:
    """A project of two tasks over a log in which even users like even items."""
    rows = [
        {"user": user, "item": f"i{item}", "stars": float(4 - 3 * ((user + item) % 2) + (item % 3) / 2)}
        for user in range(12)
        for item in range(14)
        if (user * item) % 3
    ]
    pl.DataFrame(rows).write_csv(folder / "log.csv")
    path = folder / "motet.toml"
    path.write_text(TEXT)
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(tmp_path)


@pytest.fixture
def project(file: Path) -> Project:
    return Project.read(file)
