"""What motet costs before it does anything: `python -m benchmarks.startup`.

`import motet` beyond `import torch`, and `motet recommend` as a process, each the median of seven.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.measure import median_seconds

RUNS = 7
# Every public name is used, so that nothing is left to be imported later.
IMPORT = """
import time, torch
start = time.perf_counter()
import motet
alone = time.perf_counter() - start
for name in motet.__all__:
    getattr(motet, name)
print(alone, time.perf_counter() - start)
"""


def imports() -> tuple[float, float]:
    """Seconds of `import motet` with torch in memory already: the package alone, and with every public name."""
    runs = [
        [float(word) for word in subprocess.check_output([sys.executable, "-c", IMPORT], text=True).split()]
        for _ in range(RUNS)
    ]
    alone, everything = (median(column) for column in zip(*runs, strict=True))
    return alone, everything


def save_model(folder: Path) -> None:
    """The tutorial's joint model, trained for one epoch."""
    from benchmarks.tutorial import build

    from motet import Recommender, datasets, fit, split

    train, _ = split.random(datasets.movielens("100k"), train=80_000, test=20_000, seed=0)
    model = build(train)
    fit(model, train, epochs=1, progress=False)
    Recommender(model, train).save(folder)


def recommend() -> float:
    """Seconds of `motet recommend MODEL 42` as a process."""
    command = Path(sysconfig.get_path("scripts")) / "motet"
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        save_model(model)
        arguments = [str(command), "recommend", str(model), "42"]
        return median_seconds(lambda: subprocess.run(arguments, check=True, capture_output=True), repeats=RUNS)


if __name__ == "__main__":
    alone, everything = imports()
    print("| figure | seconds | target |\n|---|---|---|")
    print(f"| `import motet`, beyond `import torch` | {alone:.3f} | at most .150 |")
    print(f"| every public name, beyond `import torch` | {everything:.3f} | |")
    print(f"| `motet recommend`, whole process | {recommend():.2f} | below 4 |")
