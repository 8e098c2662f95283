from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

Tables = dict[str, Any]


def wide(rows: int = 240) -> pl.DataFrame:
    """A row an exposure, a column a signal."""
    clicked = [int(row % 3 == 0) for row in range(rows)]
    return pl.DataFrame(
        {
            "user_id": [row % 12 for row in range(rows)],
            "sku": [f"s{(row * 7) % 20}" for row in range(rows)],
            "clicked": clicked,
            "bought": [int(row % 6 == 0) for row in range(rows)],
            "stars": [float(1 + row % 5) if click else None for row, click in enumerate(clicked)],
            "price": [float((row * 7) % 20) + 0.5 for row in range(rows)],
            "day": [row // 20 for row in range(rows)],
            "page": [f"p{row}" for row in range(rows)],
        }
    )


def long(rows: int = 240) -> pl.DataFrame:
    """A row an event, and a column that says of which kind."""
    kinds = ["view", "view", "cart", "purchase", "view", "review", "return", "impression"]
    event = [kinds[row % 8] for row in range(rows)]
    return pl.DataFrame(
        {
            "customer": [f"c{(row // 3) % 15}" for row in range(rows)],
            "product": [(row * 11) % 25 for row in range(rows)],
            "event": event,
            "value": [float(1 + row // 8 % 4) if kind == "review" else None for row, kind in enumerate(event)],
            "time": [1_700_000_000 + 60 * row for row in range(rows)],
        }
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    wide().write_parquet(tmp_path / "wide.parquet")
    long().write_csv(tmp_path / "long.csv")
    return tmp_path


@pytest.fixture
def tables() -> Tables:
    """A small project over the wide log."""
    return {
        "data": {"events": "wide.parquet"},
        "schema": {"user": "user_id", "item": "sku", "time": "day", "signals": ["clicked", "bought", "stars"]},
        "split": {"kind": "random", "test": 0.25, "seed": 3},
        "towers": {"user": {"kind": "FeatureTower", "dim": 4}, "item": {"kind": "FeatureTower", "dim": 4}},
        "tasks": [
            {"kind": "Retrieval", "positives": "clicked == 1", "pool": {"kind": "InBatch", "extra": {"uniform": 3}}},
            {
                "kind": "Rating",
                "label": "stars",
                "hidden": [4],
                "where": {"where": "clicked == 1", "half_life_days": 9},
            },
        ],
        "weights": {"retrieval": 2},
        "training": {"epochs": 2, "batch_size": 32, "optimizer": {"kind": "AdamW", "lr": 0.02, "weight_decay": 0.1}},
    }
