"""Writes what both sides read: the same split, the same initial weights, the same synthetic log, the same vectors."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl

from motet import EventLog, datasets, split

ROWS, USERS, ITEMS, DIM = 819_200, 200_000, 100_000, 32


def strings(column: pl.Series) -> np.ndarray:
    """Ids as TensorFlow's data sets hold them: UTF-8 bytes."""
    return np.char.encode(column.cast(pl.String).to_numpy().astype(str), "utf-8")


def columns(log: EventLog, part: str) -> dict[str, np.ndarray]:
    """A part of the split under the tutorial's names."""
    frame = log.frame()
    return {
        f"{part}_user_id": strings(frame["user_id"]),
        f"{part}_movie_title": strings(frame["title"]),
        f"{part}_user_rating": frame["rating"].to_numpy().astype(np.float32),
    }


def movielens(folder: Path) -> tuple[int, int]:
    """The tutorial's data: 80,000 rows to train, 20,000 to test, 1,682 candidates under 1,664 titles."""
    log = datasets.movielens("100k", item="title", progress=False)
    train, test = split.random(log, train=80_000, test=20_000, seed=42)
    movies = datasets.movielens("100k", progress=False).items.table["title"]
    np.savez(
        folder / "movielens.npz",
        users=strings(log.users.vocab.ids),
        titles=strings(log.items.vocab.ids),
        movies=strings(movies),
        **columns(train, "train"),
        **columns(test, "test"),
    )
    return len(log.users), len(log.items)


def weights(folder: Path, users: int, items: int) -> None:
    """Initial weights as Keras draws them: uniform(-0.05, 0.05) for tables, Glorot uniform for layers, zero biases."""
    draw = np.random.default_rng(0)
    arrays = {"user": draw.uniform(-0.05, 0.05, (users, DIM)), "item": draw.uniform(-0.05, 0.05, (items, DIM))}
    widths = (2 * DIM, 256, 128, 1)
    for layer, (fan_in, fan_out) in enumerate(pairwise(widths)):
        limit = np.sqrt(6 / (fan_in + fan_out))
        arrays[f"kernel{layer}"] = draw.uniform(-limit, limit, (fan_in, fan_out))
        arrays[f"bias{layer}"] = np.zeros(fan_out)
    np.savez(folder / "weights.npz", **{name: array.astype(np.float32) for name, array in arrays.items()})


def large(folder: Path) -> None:
    """A log in which little repeats: users uniform, items by a Zipf law of exponent 0.9. Row 0 is the unknown."""
    draw = np.random.default_rng(1)
    popularity = np.arange(1, ITEMS + 1) ** -0.9
    np.savez(
        folder / "large.npz",
        user_id=draw.integers(1, USERS + 1, ROWS),
        movie_title=draw.choice(ITEMS, ROWS, p=popularity / popularity.sum()) + 1,
        user_rating=draw.integers(1, 6, ROWS).astype(np.float32),
    )


def ranks(folder: Path) -> None:
    """4,096 queries near their positives among 100,000 items, so that hits at every k are neither 0 nor 1."""
    draw = np.random.default_rng(2)
    items = draw.standard_normal((ITEMS, DIM), dtype=np.float32)
    positives = draw.choice(ITEMS, 4096, replace=False)
    queries = items[positives] + 1.5 * draw.standard_normal((4096, DIM), dtype=np.float32)
    hits = exact_hits(queries.astype(np.float64), items.astype(np.float64), positives)
    np.savez(folder / "ranks.npz", items=items, positives=positives, queries=queries, hits=hits)


def exact_hits(queries: np.ndarray, items: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """Hit rates at 1, 5, 10, 50 and 100 in double precision: what both sides should find."""
    found = []
    for rows in np.array_split(np.arange(len(queries)), 16):
        scores = queries[rows] @ items.T
        own = scores[np.arange(len(rows)), positives[rows]]
        found.append(1 + (scores > own[:, None]).sum(1))
    return (np.concatenate(found)[:, None] <= np.array([1, 5, 10, 50, 100])).mean(0)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    weights(target, *movielens(target))
    large(target)
    ranks(target)
