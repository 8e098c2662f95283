"""An acknowledged event outlives `kill -9`; benchmarks/durability.py kills a thousand times."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_no_acknowledged_event_is_lost_or_doubled(url: str) -> None:
    program = [sys.executable, "-m", "benchmarks.durability", "--kills", "12", "--url", url]
    ran = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"12 kills: [1-9]\d* events acknowledged, \d+ stored, 0 lost, 0 duplicates, 0 missing", ran.stdout)
