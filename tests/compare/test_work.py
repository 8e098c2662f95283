from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from motet.compare.work import rows_of
from motet.project import Project


@pytest.mark.parametrize("table", [{"sessions": {"gap_minutes": 1}}, {"recent": {"length": 3}}], ids=str)
def test_the_rows_of_a_trial_have_the_columns_that_the_project_computes(file: Path, table: dict[str, object]) -> None:
    log = file.parent / "log.csv"
    pl.read_csv(log).with_row_index("time").write_csv(log)
    tables = Project.read(file).tables
    project = Project({**tables, "schema": {**tables["schema"], "time": "time"}, **table}, file=file)
    found, own = rows_of(project), project.divide(project.log())
    for ours, theirs in ((found.train, own.train), (found.validation, own.validation), (found.test, own.test)):
        assert ours is not None
        assert theirs is not None
        assert ours.columns.keys() == theirs.columns.keys()
        assert ours.columns.keys() & {"session", "recent"}
