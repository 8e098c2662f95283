"""RecBole's side: full-sort scores in batches, its `Collector` and `Evaluator`, as its `Trainer` calls them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.measure import command, peak_mb

np.float = float  # its metrics ask for this name, which numpy has dropped

from recbole.evaluator import Collector, Evaluator  # noqa: E402

USERS = 256  # a batch; its default of 4,096 scores would be one user at a time here
CONFIG = {
    "metrics": ["Recall", "Precision", "NDCG", "MRR"],
    "topk": [10],
    "eval_args": {"mode": {"valid": "full", "test": "full"}},
    "device": "cpu",
    "metric_decimal_place": 15,
}


@torch.no_grad()
def factors(folder: Path) -> dict[str, Any]:
    """Scores of all items, what was had put out of the race, then its own code."""
    names = ("user", "item", "test", "seen")
    user, item, test, seen = (torch.from_numpy(np.load(folder / f"{name}.npy")) for name in names)
    wanting = test[0].unique()
    collector, evaluator = Collector(CONFIG), Evaluator(CONFIG)
    start = time.perf_counter()
    for users in wanting.split(USERS):
        scores = user[users] @ item.T
        rows = [_of(pairs, users) for pairs in (seen, test)]
        scores[rows[0]] = -np.inf
        collector.eval_batch_collect(scores, None, *rows[1])
    found = evaluator.evaluate(collector.get_data_struct())
    figures = {name: float(found[f"{name}@10"]) for name in ("recall", "precision", "ndcg", "mrr")}
    return {"seconds": time.perf_counter() - start, "figures": figures, "rows": test.shape[1], "peak_mb": peak_mb()}


def _of(pairs: torch.Tensor, users: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The pairs of ascending users, by position; pairs are sorted."""
    first, last = torch.searchsorted(pairs[0], torch.stack([users[0], users[-1] + 1])).tolist()
    rows, items = pairs[:, first:last]
    kept = torch.isin(rows, users)
    return torch.searchsorted(users, rows[kept]), items[kept]


if __name__ == "__main__":
    command({"factors": factors})
