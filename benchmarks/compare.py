"""What `compare` says of shops built so that joint training hurts, and helps: `python -m benchmarks.compare [SEEDS]`.

In the first shop purchases follow a taste of their own, narrow towers have room for one, and clicks dominate the sum of
the losses. In the second they follow the taste of clicks and are rare, so that clicks tell most of what is known of it.
In both, training stops by validation rows (by clicks, a specialist by its own task); the test rows judge.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from motet import simulate
from motet.compare import Comparison, compare
from motet.data.shop import Shop
from motet.project import Project

STILL: dict[str, Any] = {"popularity": 0.0, "position_bias": 0.0, "new_items": 0.0}
FREQUENT: dict[str, Any] = {"click_rate": 0.5, "cart_rate": 0.4, "purchase_rate": 0.2}
RARE: dict[str, Any] = {"click_rate": 0.25, "purchase_rate": 0.01}


def conflicting() -> tuple[Shop, dict[str, Any]]:
    """A shop in which joint training hurts, and the settings of its project."""
    shop = simulate.shop(200, 100, impressions=60_000, conflict=0.5, seed=1, **FREQUENT, **STILL)
    return shop, _settings(dim=4, decay=0.03, bought={"where": "carted == 1"}, weights={"clicked": 30.0})


def agreeing() -> tuple[Shop, dict[str, Any]]:
    """A shop in which joint training helps, and the settings of its project."""
    shop = simulate.shop(300, 200, impressions=40_000, conflict=0.0, seed=1, **RARE, **STILL)
    return shop, _settings(dim=8, decay=0.3, bought={}, weights={})


def project(shop: Shop, settings: Mapping[str, Any], folder: Path) -> Project:
    """A project over the impressions of a shop."""
    shop.rows().write_parquet(folder / "log.parquet")
    return Project({"data": {"events": "log.parquet"}, **settings}, file=folder / "motet.toml")


def _settings(*, dim: int, decay: float, bought: Mapping[str, Any], weights: Mapping[str, float]) -> dict[str, Any]:
    """Two tasks over ids alone."""
    tower = {"kind": "FeatureTower", "dim": dim, "features": []}
    head = {"kind": "Event", "hidden": [], "product": True, "biases": True}
    return {
        "schema": {"signals": ["clicked", "carted", "bought"]},
        "split": {"kind": "random", "test": 0.3},
        "validation": {"kind": "random", "test": 0.2},
        "towers": {"user": tower, "item": tower},
        "tasks": [{**head, "label": "clicked"}, {**head, "label": "bought", **bought}],
        "weights": dict(weights),
        "training": {
            "epochs": 30,
            "batch_size": 1024,
            "optimizer": {"kind": "AdamW", "lr": 0.01, "weight_decay": decay},
            "early_stopping": {"metric": "clicked/auc", "patience": 4},
        },
    }


def compared(seeds: int) -> Iterator[Comparison]:
    """Both shops."""
    for shop, settings in (conflicting(), agreeing()):
        with tempfile.TemporaryDirectory() as folder:
            yield compare(project(shop, settings, Path(folder)), seeds=seeds, folder=Path(folder) / "run")


if __name__ == "__main__":
    for found in compared(int(sys.argv[1]) if len(sys.argv) > 1 else 3):
        Console(width=140, highlight=False).print(found.table())
        print("\n".join(found.verdict), flush=True)
