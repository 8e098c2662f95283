"""How fast a shop is drawn and written, on one core: `python -m benchmarks.simulate [MILLIONS]`.

Rows a second of processor time, so that what else runs on the machine matters less. Run it with OMP_NUM_THREADS=1 and
POLARS_MAX_THREADS=1.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import median_seconds, peak_mb

from motet import simulate

BLOCK = 1_000_000


def rate(rows: int, call: Callable[[], object]) -> str:
    start = time.process_time()
    call()
    return f"{rows / (time.process_time() - start) / 1e6:.1f} million rows/s"


def main(millions: int = 10) -> None:
    rows = millions * BLOCK
    small = median_seconds(lambda: simulate.shop(200, 100, impressions=10_000).rows())
    shop = simulate.shop(200_000, 50_000, impressions=rows)
    before = peak_mb()
    drawn = rate(rows, lambda: [len(shop.rows(start, start + BLOCK)) for start in range(0, rows, BLOCK)])
    with tempfile.TemporaryDirectory() as folder:
        written = rate(rows, lambda: shop.write_parquet(folder, rows=BLOCK))
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.parquet"))
    print("| figure | |\n|---|---|")
    print(f"| a shop of 200 users, 100 items and 10,000 rows | {1000 * small:.0f} ms |")
    print(f"| {millions} million rows of 200,000 users and 50,000 items, drawn | {drawn} |")
    print(f"| the same, drawn and written to Parquet | {written} |")
    print(f"| size of the files | {size / rows:.1f} bytes a row |")
    print(f"| peak memory, before and after | {before:.0f} and {peak_mb():.0f} MB |")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
