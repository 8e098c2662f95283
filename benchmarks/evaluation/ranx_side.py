"""ranx's side: `Qrels` and `Run` from frames, then `evaluate`, compiled before by a small call."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from benchmarks.measure import command, peak_mb
from ranx import Qrels, Run, evaluate

K = 10
NAMES = {"recall": f"recall@{K}", "precision": f"precision@{K}", "ndcg": f"ndcg@{K}", "mrr": f"mrr@{K}"}


def _evaluate(test: np.ndarray, users: np.ndarray, top: np.ndarray) -> dict[str, Any]:
    ids = np.repeat(users, K).astype(str)  # it takes ids of dtype object only
    scores = np.tile(np.arange(K, 0, -1.0), len(users))
    run = pd.DataFrame({"q_id": ids, "doc_id": top[users].ravel().astype(str), "score": scores}, dtype=object)
    wanted = pd.DataFrame({"q_id": test[0].astype(str), "doc_id": test[1].astype(str), "score": 1}, dtype=object)
    for frame, kind in ((run, float), (wanted, int)):
        frame["score"] = frame["score"].astype(kind)
    start = time.perf_counter()
    qrels = Qrels.from_df(wanted, q_id_col="q_id", doc_id_col="doc_id", score_col="score")
    lists = Run.from_df(run, q_id_col="q_id", doc_id_col="doc_id", score_col="score")
    made = time.perf_counter() - start
    found = evaluate(qrels, lists, list(NAMES.values()))
    figures = {name: float(found[theirs]) for name, theirs in NAMES.items()}
    return {"seconds": time.perf_counter() - start, "made_s": made, "figures": figures}


def lists(folder: Path) -> dict[str, Any]:
    """Lists that are there already."""
    test, top = np.load(folder / "test.npy"), np.load(folder / "lists.npy")
    few = test[:, test[0] < 50]
    _evaluate(few, np.unique(few[0]), top)
    return _evaluate(test, np.unique(test[0]), top) | {"rows": test.shape[1], "peak_mb": peak_mb()}


if __name__ == "__main__":
    command({"lists": lists})
