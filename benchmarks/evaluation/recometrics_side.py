"""recometrics' side: figures from vectors, in C++; a user at a time, ties as they fall."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import recometrics
from benchmarks.measure import command, peak_mb
from scipy.sparse import csr_matrix


def factors(folder: Path) -> dict[str, Any]:
    """`calc_reco_metrics` on both matrices."""
    user, item = np.load(folder / "user.npy"), np.load(folder / "item.npy")
    shape = (len(user), len(item))
    test, seen = (np.load(folder / f"{name}.npy") for name in ("test", "seen"))
    test, seen = (csr_matrix((np.ones(p.shape[1], np.float32), tuple(p)), shape=shape) for p in (test, seen))
    start = time.perf_counter()
    found = recometrics.calc_reco_metrics(
        seen,
        test,
        user,
        item,
        k=10,
        precision=True,
        recall=True,
        ndcg=True,
        rr=True,
        average_precision=False,
        break_ties_with_noise=False,
        nthreads=2,
    ).mean()
    names = {"recall": "R@10", "precision": "P@10", "ndcg": "NDCG@10", "mrr": "RR@10"}
    figures = {name: float(found[theirs]) for name, theirs in names.items()}
    return {"seconds": time.perf_counter() - start, "figures": figures, "rows": int(test.nnz), "peak_mb": peak_mb()}


if __name__ == "__main__":
    command({"factors": factors})
