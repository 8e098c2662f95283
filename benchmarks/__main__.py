"""Every benchmark of motet alone, one after the other: `python -m benchmarks`."""

from __future__ import annotations

import subprocess
import sys

# Each runs as a process of its own, so that none warms up or slows down the next.
for name in (
    "balancers",
    "compare",
    "funnel",
    "masks",
    "parity",
    "preference",
    "quality",
    "ranks",
    "shop",
    "simulate",
    "startup",
    "transfer",
    "trunks",
    "tune",
):
    print(f"\n## {name}\n", flush=True)
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)
