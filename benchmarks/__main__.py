"""The benchmarks of motet alone, one after the other: `python -m benchmarks`; hours.

Those that need other programs or data are left out: other libraries, services and PostgreSQL, the data of `taobao`, a
million items, and the fuzzers.
"""

from __future__ import annotations

import subprocess
import sys

# Each runs as a process of its own, so that none warms up or slows down the next.
for name in (
    "balancers",
    "baselines",
    "calibration",
    "coarse",
    "compare",
    "devices",
    "funnel",
    "intervals",
    "masks",
    "parity",
    "precision",
    "preference",
    "quality",
    "ranks",
    "shop",
    "simulate",
    "startup",
    "strangers",
    "tradeoff",
    "transfer",
    "trunks",
    "tune",
):
    print(f"\n## {name}\n", flush=True)
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)
