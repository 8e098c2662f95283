"""Trained: what training a project gives."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from motet.data.log import EventLog
from motet.evaluation import Report
from motet.model import Model
from motet.project.rows import Divided
from motet.recommender import Recommender


@dataclass(frozen=True, eq=False)
class Trained:
    """The results of training a project.

    Attributes:
        model: The trained model.
        log: All rows.
        rows: The same rows by purpose.
        history: What `fit` returned.
        report: The evaluation on the test rows; None if there are none.
        recommender: What recommends to users.
    """

    model: Model
    log: EventLog
    rows: Divided
    history: pl.DataFrame
    report: Report | None
    recommender: Recommender
