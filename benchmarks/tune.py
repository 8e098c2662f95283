"""What tuning gains over the file that `motet init` writes: `python -m benchmarks.tune [TRIALS [SEEDS [FILE]]]`.

MovieLens 100K, a random fifth of the rows as test. `tune` sees a tenth of the other rows as validation, and never the
test. Then the file as it was and the file as it was tuned are trained on all of the other rows, and judged by the test.
Seeds found in FILE, a line of JSON each, are not tuned again, and new ones are added to it.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import spread

from motet import datasets
from motet.compare import Tuned, tune
from motet.project import Project
from motet.project.init import init

KEYS = ("rating/rmse", "retrieval/unseen/ndcg@10")
Figures = dict[str, tuple[float, float]]
Run = dict[str, Any]


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


def tuned(file: Path, seed: int, trials: int) -> Tuned:
    """The search, on the validation rows."""
    validation = {"validation": {"kind": "random", "test": 0.1, "seed": seed}}
    return tune(Project.read(file).changed({**split(seed), **validation}), trials=trials, seed=seed, progress=False)


def run(seed: int, trials: int) -> Run:
    """A tuning, and what it is worth on the test rows; seconds are those of the processor."""
    with tempfile.TemporaryDirectory() as folder:
        file = declare(Path(folder))
        started = time.process_time()
        found = tuned(file, seed, trials)
        taken = time.process_time() - started
        found.write(Project.read(file), Path(folder) / "tuned.toml")
        start, after = judge(file, seed), judge(Path(folder) / "tuned.toml", seed)
    ended = sum(trial.state == "done" for trial in found.trials)
    told = {"seed": seed, "trials": trials, "ended": ended, "seconds": taken, "settings": found.settings}
    return {**told, "figures": {key: [start[key][1], start[key][0], after[key][0]] for key in KEYS}}


if __name__ == "__main__":
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    seeds = range(1, 1 + (int(sys.argv[2]) if len(sys.argv) > 2 else 3))
    keep = Path(sys.argv[3]) if len(sys.argv) > 3 else None
    lines = keep.read_text(encoding="utf-8").splitlines() if keep is not None and keep.exists() else []
    done: dict[int, Run] = {each["seed"]: each for each in map(json.loads, lines) if each["trials"] == trials}
    for seed in seeds:
        if seed not in done:
            done[seed] = run(seed, trials)
            if keep is not None:
                with keep.open("a", encoding="utf-8") as opened:
                    opened.write(json.dumps(done[seed]) + "\n")
        told = done[seed]
        print(f"seed {seed}: {told['ended']} of {trials} trials to their end, {told['seconds']:.0f} s", flush=True)
        print(f"  {told['settings']}", flush=True)
    print("| test rows | simple rule | init's file | tuned | tuned less init's |\n|---|---|---|---|---|")
    for key in KEYS:
        rule, start, after = zip(*(done[seed]["figures"][key] for seed in seeds), strict=True)
        change = [b - a for a, b in zip(start, after, strict=True)]
        print(f"| {key} | {' | '.join(spread(each, '.4f') for each in (rule, start, after, change))} |")
