"""RecTools' side: its ranker makes lists as its models do; `calc_metrics` judges a frame of them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from benchmarks.measure import command, peak_mb
from rectools import Columns
from rectools.metrics import MRR, NDCG, Precision, Recall, calc_metrics
from rectools.models.rank import Distance, ImplicitRanker
from scipy.sparse import csr_matrix

K = 10


def _judge(users: np.ndarray, items: np.ndarray, folder: Path) -> dict[str, Any]:
    """The lists' figures and how long they took; the frames are there before."""
    test = np.load(folder / "test.npy")
    ranks = np.arange(len(users)) - np.searchsorted(users, users) + 1
    recommended = pd.DataFrame({Columns.User: users, Columns.Item: items, Columns.Rank: ranks})
    interactions = pd.DataFrame({Columns.User: test[0], Columns.Item: test[1]})
    metrics = {
        "recall": Recall(K),
        "precision": Precision(K),
        "ndcg": NDCG(K, divide_by_achievable=True),
        "mrr": MRR(K),
    }
    calc_metrics(metrics, recommended[:200], interactions[:200])  # as ranx has its code compiled before
    start = time.perf_counter()
    found = calc_metrics(metrics, recommended, interactions)
    figures = {name: float(found[name]) for name in metrics}
    return {"seconds": time.perf_counter() - start, "figures": figures, "rows": test.shape[1], "peak_mb": peak_mb()}


def lists(folder: Path) -> dict[str, Any]:
    """Lists that are there already."""
    top, wanting = np.load(folder / "lists.npy"), np.unique(np.load(folder / "test.npy")[0])
    return _judge(np.repeat(wanting, K), top[wanting].ravel(), folder)


def factors(folder: Path) -> dict[str, Any]:
    """Lists from both matrices, then their figures."""
    user, item = np.load(folder / "user.npy"), np.load(folder / "item.npy")
    seen, wanting = np.load(folder / "seen.npy"), np.unique(np.load(folder / "test.npy")[0])
    had = csr_matrix((np.ones(seen.shape[1], np.float32), tuple(seen)), shape=(len(user), len(item)))
    start = time.perf_counter()
    ranker = ImplicitRanker(Distance.DOT, user, item, num_threads=2)
    users, items, _ = ranker.rank(wanting, k=K, filter_pairs_csr=had[wanting])
    taken = time.perf_counter() - start
    judged = _judge(np.asarray(users), np.asarray(items), folder)
    return judged | {"seconds": taken + judged["seconds"]}


if __name__ == "__main__":
    command({"lists": lists, "factors": factors})
