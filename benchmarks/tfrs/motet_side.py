"""motet's side of the comparison, through the public interface."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from benchmarks.measure import MODELS, command, median_seconds, peak_mb, seconds
from benchmarks.tfrs import bare
from benchmarks.tutorial import build

from motet import Batch, EventLog, Model, Schema, datasets, evaluate, fit, metrics, split
from motet.data.batch import Loader
from motet.optim import Adagrad


def movielens() -> tuple[EventLog, EventLog]:
    """The split that `prepare` wrote for TFRS."""
    log = datasets.movielens("100k", item="title", progress=False)
    train, test = split.random(log, train=80_000, test=20_000, seed=42)
    return train, test


def start_from(model: Model, folder: Path) -> None:
    """Load the shared initial weights."""
    shared = {name: torch.from_numpy(array) for name, array in np.load(folder / "weights.npz").items()}
    layers = [layer for layer in model.tasks["rating"].modules() if isinstance(layer, torch.nn.Linear)]
    with torch.no_grad():
        model.user.ids.weight.copy_(shared["user"])
        model.item.ids.weight.copy_(shared["item"])
        for number, layer in enumerate(layers):
            layer.weight.copy_(shared[f"kernel{number}"].T)
            layer.bias.copy_(shared[f"bias{number}"])


def parity(folder: Path) -> dict[str, Any]:
    """Both losses of every step of three epochs, from the shared weights on the shared batches."""
    train, _ = movielens()
    model = build(train)
    start_from(model, folder)
    model.prepare(train)
    optimizer = Adagrad(model.parameters(), lr=0.1)
    seen: dict[str, list[float]] = {"rating": [], "retrieval": []}
    loader = Loader(train, batch_size=8192, shuffle=False)
    for batch in (batch for epoch in range(3) for batch in loader.epoch(epoch)):
        losses = model.losses(batch)
        for name, loss in losses.items():
            seen[name].append(loss.item())
        optimizer.zero_grad()
        model.total(losses).backward()
        optimizer.step()
    return seen


def tutorial(folder: Path) -> dict[str, Any]:  # noqa: ARG001 - the data come through the library
    """The three models of the tutorial: fit and evaluate."""
    train, test = movielens()
    times: dict[str, float] = {}
    figures = {}
    for number, (name, (rating, retrieval)) in enumerate(MODELS.items()):
        torch.manual_seed(number)
        with seconds(times, "fit"):
            model = build(train)
            model.weights = {"rating": rating, "retrieval": retrieval}
            adagrad = Adagrad(model.parameters(), lr=0.1)
            fit(model, train, epochs=3, batch_size=8192, optimizer=adagrad, seed=number, progress=False)
        with seconds(times, "evaluate"):
            report = evaluate(model, test, train=train, protocols=["all items"], ties="optimistic", baselines=False)
        figures[name] = {"RMSE": report["rating/rmse"], "top-100": report["retrieval/all items/hit_rate@100"]}
    result = {"seconds": times, "metrics": figures, "peak_mb": peak_mb()}
    with seconds(result, "not_counted"):
        users, items = distinct(Loader(train, batch_size=8192).epoch(0))
        fitting = 60 * (bare.head_step(8000) + bare.softmax_step(users, items))
        tested = len(test.batch().users.unique())
        ranking = 3 * (bare.ranking(tested, len(train.items)) + bare.head_step(len(test), gradients=False))
        result["bare_seconds"] = fitting + ranking
    return result


def distinct(batches: Iterable[Batch]) -> tuple[int, int]:
    """Mean number of distinct users and items of a batch."""
    sizes = torch.tensor([[len(batch.distinct_users.rows), len(batch.distinct_items.rows)] for batch in batches])
    users, items = sizes.float().mean(0).round().int().tolist()
    return users, items


def large(folder: Path) -> dict[str, Any]:
    """Training speed where little repeats."""
    arrays = np.load(folder / "large.npz")
    frame = pl.DataFrame({name: arrays[name] for name in ("user_id", "movie_title", "user_rating")})
    schema = Schema(user="user_id", item="movie_title", signals=("user_rating",))
    everyone = pl.DataFrame({"user_id": np.arange(1, 200_001)})
    everything = pl.DataFrame({"movie_title": np.arange(1, 100_001)})
    log = EventLog.read(frame, schema, users=everyone, items=everything)
    model = build(log, label="user_rating", sparse=True)
    adagrad = Adagrad(model.parameters(), lr=0.1)
    fit(model, log.take(slice(0, 16_384)), epochs=1, batch_size=8192, optimizer=adagrad, progress=False)
    start = time.perf_counter()
    fit(model, log, epochs=1, batch_size=8192, optimizer=adagrad, progress=False)
    taken = time.perf_counter() - start
    peak = peak_mb()
    users, items = distinct(Loader(log, batch_size=8192).epoch(0))
    bare_seconds = len(log) / 8192 * (bare.head_step(8192) + bare.softmax_step(users, items))
    return {"rows_per_s": len(log) / taken, "peak_mb": peak, "seconds": taken, "bare_seconds": bare_seconds}


def ranks(folder: Path) -> dict[str, Any]:
    """The ranks of the shared positives among all items."""
    arrays = {name: torch.from_numpy(array) for name, array in np.load(folder / "ranks.npz").items()}
    score = metrics.dot(arrays["queries"], arrays["items"])
    positives = metrics.Pairs(torch.arange(len(arrays["queries"])), arrays["positives"])

    def found() -> torch.Tensor:
        return metrics.ranks(score, positives, candidates=len(arrays["items"]), ties="optimistic")

    taken = median_seconds(found)
    peak = peak_mb()
    hits = [(found() <= k).double().mean() for k in (1, 5, 10, 50, 100)]
    error = max(abs(value - exact) for value, exact in zip(hits, arrays["hits"], strict=True)).item()
    floor = bare.ranking(len(arrays["queries"]), len(arrays["items"]))
    return {"seconds": taken, "error": error, "bare_seconds": floor, "peak_mb": peak}


if __name__ == "__main__":
    command({"parity": parity, "tutorial": tutorial, "large": large, "ranks": ranks})
