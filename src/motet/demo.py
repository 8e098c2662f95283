"""The demo: the multi-task tutorial of TensorFlow Recommenders on MovieLens 100K, and a better model.

Source: https://www.tensorflow.org/recommenders/examples/multitask
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import polars as pl
import torch

from motet.artifact.folder import Kind, check_free
from motet.baselines import GlobalMean, Popularity
from motet.data import datasets, split
from motet.data.log import EventLog
from motet.early_stopping import EarlyStopping
from motet.evaluation import Report, evaluate
from motet.index import TopK
from motet.model import Model
from motet.optim import Adagrad
from motet.project import Divided
from motet.recommender import Recommender
from motet.report import Record, charts, read_runs, write_report
from motet.tasks import Catalogue, InBatch, Rating, Retrieval
from motet.towers import FeatureTower
from motet.train import fit

System = TypeVar("System", bound=Model | GlobalMean | Popularity)

TRAIN, TEST, SEED = 80_000, 20_000, 42
USER = 42
FILM = "Dances with Wolves (1990)"
BALANCE = {"rating": 1.0, "retrieval": 15.0}


@dataclass(frozen=True)
class Line:
    """One system of the comparison.

    Attributes:
        figures: Figures of the evaluation, by metric key.
        seconds: Time to train and evaluate.
    """

    figures: Report
    seconds: float


@dataclass(frozen=True)
class Demonstration:
    """The results of the demo.

    Attributes:
        split: How training and test rows were chosen.
        lines: Results by system.
        recommender: The best model.
        top: Its recommendations for `USER`.
        stars: Its predicted rating of `FILM` by `USER`.
        page: The report; None if the extra `report` is not installed.
    """

    split: str
    lines: Mapping[str, Line]
    recommender: Recommender
    top: TopK
    stars: float
    page: Path | None


def run(folder: str | Path, *, say: Callable[[str], None] = print, progress: bool = True) -> Demonstration:
    """Download the data, train four models, compare them, save the best, query it and write a report.

    Args:
        folder: Folder for the best model; the report is written beside it.
        say: Receives a message at the start of each step.
        progress: Whether to show progress bars of downloads and training.

    Returns:
        The results.
    """
    check_free(folder)
    report = Path(folder).with_name(f"{Path(folder).name}-report")
    check_free(report, Kind.REPORT)
    say("MovieLens 100K: fetching the data, unless they are in the cache")
    log = datasets.movielens("100k", item="title", progress=progress)
    parts = split.random(log, train=TRAIN, test=TEST, seed=SEED)
    systems: dict[str, Callable[[EventLog], Model | GlobalMean | Popularity]] = {
        "global mean": GlobalMean,
        "popularity": Popularity,
        "rating only (1, 0)": partial(tutorial, rating=1.0, retrieval=0.0, progress=progress),
        "retrieval only (0, 1)": partial(tutorial, rating=0.0, retrieval=1.0, progress=progress),
        "joint (1, 1)": partial(tutorial, rating=1.0, retrieval=1.0, progress=progress),
    }
    lines = {}
    for name, make in systems.items():
        say(f"{name}: training and evaluating")
        _, lines[name] = _judged(make, parts)
    say("best: training and evaluating")
    histories: list[pl.DataFrame] = []
    model, lines["best"] = _judged(partial(best, progress=progress, told=histories.append), parts)
    recommender = Recommender(model, parts.train)
    others = {name: line.figures for name, line in lines.items() if "(" in name}
    recommender.save(folder, run=_record(recommender, parts, histories[0], others).to_json())
    stars = float(recommender.predict(USER, FILM)["rating"])
    page = None
    if charts.installed():
        say("report: drawing")
        page = write_report(read_runs([folder]), report)
    return Demonstration(parts.report, lines, recommender, recommender.recommend(USER, 10), stars, page)


def _record(
    recommender: Recommender, parts: split.Split, history: pl.DataFrame, others: Mapping[str, Report]
) -> Record:
    """The record of the best model, with baselines and the tutorial's models beside it."""
    rows = Divided(parts.train, None, parts.test, parts.report)
    report = evaluate(recommender, parts.test, train=parts.train, about=parts.report)
    found = (recommender.model, rows, history, report)
    return Record.of(*found, name="the best model of motet demo", seed=SEED, others=others)


def _judged(make: Callable[[EventLog], System], parts: split.Split) -> tuple[System, Line]:
    started = time.perf_counter()
    system = make(parts.train)
    figures = evaluate(system, parts.test, train=parts.train, baselines=False)
    return system, Line(figures, time.perf_counter() - started)


def tutorial(train: EventLog, *, rating: float, retrieval: float, progress: bool = True) -> Model:
    """Train the tutorial's model as the tutorial does.

    Args:
        train: 80,000 rows.
        rating: Weight of the rating task.
        retrieval: Weight of the retrieval task.
        progress: Whether to show a bar.

    Returns:
        The trained model.
    """
    torch.manual_seed(SEED)
    model = Model(
        user=FeatureTower(train.users, dim=32, features=()),
        item=FeatureTower(train.items, dim=32, features=()),
        tasks=[Rating("rating", hidden=(256, 128)), Retrieval(pool=InBatch(log_q=False), reduction="sum")],
        weights={"rating": rating, "retrieval": retrieval},
    )
    optimizer = partial(Adagrad, lr=0.1)
    fit(model, train, epochs=3, batch_size=8192, optimizer=optimizer, seed=SEED, progress=progress)
    return model


def best(
    train: EventLog,
    *,
    seed: int = SEED,
    weights: Mapping[str, float] = BALANCE,
    progress: bool = True,
    told: Callable[[pl.DataFrame], None] | None = None,
) -> Model:
    """Train a joint model that rates and retrieves better than a specialist for either task.

    One twentieth of the training rows is held out for early stopping.

    Args:
        train: The training rows.
        seed: Seed of the initial weights, the held-out rows and the row order.
        weights: Weight of each task; a weight of 0 gives a specialist for the other task.
        progress: Whether to show a progress bar.
        told: Receives the training history, if given.

    Returns:
        The trained model.
    """
    learn, validation = split.random(train, test=0.05, seed=seed)
    torch.manual_seed(seed)
    model = Model(
        user=FeatureTower(train.users, dim=64, features=(), dropout=0.4),
        item=FeatureTower(train.items, dim=64, features=("genres", "year"), dropout=0.4),
        tasks=[
            Rating("rating", hidden=(64,), product=True, biases=True, clip=(1.0, 5.0)),
            Retrieval(pool=Catalogue(), item_bias=True),
        ],
        weights=weights,
    )
    metric = "rating/rmse" if weights["rating"] else "retrieval/unseen/hit_rate@100"
    history = fit(
        model,
        learn,
        epochs=40,
        batch_size=4096,
        optimizer=partial(torch.optim.AdamW, lr=0.01, weight_decay=0.1),
        average=0.99,
        validation=validation,
        early_stopping=EarlyStopping(metric, patience=4),
        seed=seed,
        progress=progress,
    )
    if told is not None:
        told(history)
    return model
