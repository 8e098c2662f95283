"""How the benchmarks measure; standard library only, so that it costs neither side of a comparison anything."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

# The tutorial's three models: what the rating loss and the retrieval loss count for.
MODELS = {"rating only": (1.0, 0.0), "retrieval only": (0.0, 1.0), "joint": (1.0, 1.0)}


def peak_mb() -> float:
    """The largest resident memory this process has had, in MB of 2**20 bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


@contextmanager
def seconds(into: dict[str, float], name: str) -> Iterator[None]:
    """Add the seconds a block takes to `into[name]`."""
    start = time.perf_counter()
    yield
    into[name] = into.get(name, 0.0) + time.perf_counter() - start


def median_seconds(call: Callable[[], object], *, repeats: int = 5, warm_up: int = 1) -> float:
    """The median time of a call, after calls that are not counted."""
    times = []
    for number in range(warm_up + repeats):
        start = time.perf_counter()
        call()
        if number >= warm_up:
            times.append(time.perf_counter() - start)
    return median(times)


def spread(values: Sequence[float], form: str = ".3f") -> str:
    """Mean and standard deviation over seeds; of one seed the value alone, and nothing if there is none."""
    middle = mean(values)
    if middle != middle:
        return ""
    return f"{middle:{form}}" + (f" +- {stdev(values):{form.lstrip('+')}}" if len(values) > 1 else "")


def command(parts: dict[str, Callable[[Path], dict[str, Any]]]) -> None:
    """Run `PART INPUTS OUTPUT` of the command line: one part, on the folder of inputs; its result is left as JSON."""
    part, inputs, output = sys.argv[1:]
    Path(output).write_text(json.dumps(parts[part](Path(inputs)), indent=1))
