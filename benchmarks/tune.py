"""What tuning gains over the file that `motet init` writes: `python -m benchmarks.tune [MINUTES [SEEDS]]`.

MovieLens 100K, a random fifth of the rows as test. `tune` sees a tenth of the other rows as validation, and never the
test. Then the file as it was and the file as it was tuned are trained on all of the other rows, and judged by the test.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import mean, stdev

from motet import datasets
from motet.compare import Tuned, tune
from motet.project import Project
from motet.project.init import init

KEYS = ("rating/rmse", "retrieval/unseen/ndcg@10")
Figures = dict[str, tuple[float, float]]


def declare(folder: Path) -> Path:
    """What `motet init` makes of the log and of the films."""
    log = datasets.movielens("100k")
    log.frame().write_parquet(folder / "events.parquet")
    log.items.table.write_parquet(folder / "films.parquet")
    file = folder / "motet.toml"
    file.write_text(init(folder / "events.parquet", file, tables={"item": folder / "films.parquet"}, known={}))
    return file


def judge(file: Path, seed: int) -> Figures:
    """Figures of the test rows, and those of the best simple rule."""
    trained = Project.read(file).changed(split(seed)).train(progress=False)
    report = trained.report
    assert report is not None
    rules = {key: [other[key] for other in report.beside.values() if key in other] for key in KEYS}
    return {key: (report[key], min(rules[key]) if key.endswith("rmse") else max(rules[key])) for key in KEYS}


def split(seed: int) -> dict[str, object]:
    """The same rows for both, and the same first weights."""
    return {"split": {"kind": "random", "test": 0.2, "seed": seed}, "training.seed": seed}


def tuned(file: Path, seed: int, minutes: float) -> Tuned:
    """The search, on the validation rows."""
    validation = {"validation": {"kind": "random", "test": 0.1, "seed": seed}}
    return tune(Project.read(file).changed({**split(seed), **validation}), minutes=minutes, seed=seed, progress=False)


if __name__ == "__main__":
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    seeds = range(1, 1 + (int(sys.argv[2]) if len(sys.argv) > 2 else 3))
    found: dict[str, list[list[float]]] = {key: [] for key in KEYS}
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            file = declare(Path(folder))
            best = tuned(file, seed, minutes)
            best.write(Project.read(file), Path(folder) / "tuned.toml")
            start, after = judge(file, seed), judge(Path(folder) / "tuned.toml", seed)
        print(f"seed {seed}: {len(best.trials)} trials in {minutes:g} minutes; {best.settings}", flush=True)
        for key in KEYS:
            found[key].append([start[key][1], start[key][0], after[key][0]])
            print(f"  {key}: rule {start[key][1]:.4f}, init {start[key][0]:.4f}, tuned {after[key][0]:.4f}", flush=True)
    print("| test rows | simple rule | init's file | tuned |\n|---|---|---|---|")
    for key, rows in found.items():
        cells = [
            f"{mean(each):.4f}" + (f" +- {stdev(each):.4f}" if len(each) > 1 else "")
            for each in zip(*rows, strict=True)
        ]
        print(f"| {key} | {' | '.join(cells)} |")
