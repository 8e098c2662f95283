"""No input breaks a service; benchmarks/fuzz_http.py tries a hundred thousand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_every_input_is_answered_as_described() -> None:
    program = [sys.executable, "-m", "benchmarks.fuzz_http", "--rounds", "2", "--examples", "5"]
    ran = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = re.match(r"([\d,]+) inputs: (.*); slowest", ran.stdout.splitlines()[-1])
    assert found, ran.stdout
    assert int(found[1].replace(",", "")) > 200
    assert {"200", "400", "404", "422"} <= set(re.findall(r"x (\d{3})", found[2]))
