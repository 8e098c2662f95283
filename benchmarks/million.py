"""A saved model of 1,000,000 items, or fewer, for the benchmarks of the service, made in half a minute untrained.

Vectors as in `benchmarks.index`: `clusters` or `gaussian`. 2,000 users with 200 seen items each, of fewer items with as
many fewer; a Retrieval whose dot products are those of the vectors, and a Rating with a head of 256-128-1.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import torch

if TYPE_CHECKING:
    from motet import Recommender

ITEMS, USERS, SEEN, DIM = 1_000_000, 2_000, 200, 64


def model(kind: str, folder: Path, items: int = ITEMS) -> Path:
    """The folder of the model, made where it is not there yet; its approximate index lies beside it."""
    place = folder / kind
    if not place.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _build(kind, items).save(place)
        subprocess.run([sys.executable, "-c", "from motet.cli import main; main()", "index", str(place)], check=True)
    return place


def _build(kind: str, count: int) -> Recommender:
    from motet import EventLog, Model, Recommender, Schema
    from motet.tasks import Rating, Retrieval
    from motet.towers import FeatureTower

    draw = torch.Generator().manual_seed(0)
    items, users = _vectors(kind, count, draw)
    size = max(1, SEEN * count // ITEMS)
    table = pl.DataFrame({"item": [f"item-{row:07}" for row in range(count)], "price": torch.arange(count).numpy()})
    seen = torch.cat([torch.randperm(count, generator=draw)[:size].clone() for _ in range(USERS)])  # 8 MB each
    events = pl.DataFrame(
        {
            "user": [f"user-{row:05}" for row in range(USERS) for _ in range(size)],
            "item": table["item"].gather(pl.Series(seen.numpy())),
            "stars": torch.randint(1, 6, (USERS * size,), generator=draw).numpy(),
        }
    )
    log = EventLog.read(events, Schema(user="user", item="item", signals=("stars",)), items=table)
    torch.manual_seed(0)
    towers = [FeatureTower(side, dim=DIM, features=()) for side in (log.users, log.items)]
    for tower, vectors in zip(towers, (users, items), strict=True):
        tower.ids.weight.data[1:] = vectors
    tasks = [Retrieval(), Rating("stars", hidden=(256, 128))]
    return Recommender(Model(user=towers[0], item=towers[1], tasks=tasks), log)


def _vectors(kind: str, count: int, draw: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    noise = torch.randn(count + USERS, DIM, generator=draw)
    if kind == "clusters":
        centres = torch.randn(2_000, DIM, generator=draw)
        noise = centres[torch.randint(2_000, (len(noise),), generator=draw)] + 0.6 * noise
    return noise[:count], noise[count:]
