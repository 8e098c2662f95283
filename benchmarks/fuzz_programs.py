"""Break what serves a model without torch: `python -m benchmarks.fuzz_programs [--damaged N] [--crafted N]`.

Damaged: a file of an artifact with programs has a bit turned, is cut off, or is gone; `examples/serve_without_torch.py`
has to refuse it by name. Crafted: a program has other bytes, under checksums that would hold, and is run as
`motet verify` runs it; what comes has to be numbers, or an error that names the file. TMPDIR=/dev/shm spares the disk.
"""

from __future__ import annotations

import random
import runpy
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

import torch
from benchmarks.fuzz_artifact import artifact, contents, fuzz, outcome
from tests.export.crafted import changed

from motet import Recommender
from motet.export import export, serving
from motet.export.onnx import run

EXAMPLE = Path(__file__).parents[1] / "examples" / "serve_without_torch.py"


def exported(place: Path) -> Path:
    """A small artifact with programs, of a model without stages, for which there are none."""
    recommender = Recommender.load(artifact(place))
    Recommender(recommender.model, recommender.log).save(place / "plain")
    export(place / "plain", place / "exported")
    return place / "exported"


def damaged(path: Path, chance: random.Random) -> Iterator[str]:
    """One file, and what serves it without torch."""
    serve: Callable[[str, str], None] = runpy.run_path(str(EXAMPLE))["main"]
    with redirect_stdout(None):
        serve(str(path), "1")  # the whole artifact is served
    names = ["manifest.json", *contents(path)]
    while True:
        name = chance.choice(names)
        content = (path / name).read_bytes()
        (path / name).unlink()
        if left := harmed(content, chance):
            (path / name).write_bytes(left)
        try:
            serve(str(path), "1")
        except SystemExit as error:
            yield "refused by name" if repr(name) in str(error) else f"REFUSED WITHOUT A NAME: {error}"
        else:
            yield "DAMAGE WAS NOT SEEN"
        (path / name).write_bytes(content)


def harmed(content: bytes, chance: random.Random) -> bytes:
    """With a bit turned, or all cut off from some place."""
    bit = chance.randrange(8 * len(content))
    if chance.random() < 0.2:
        return content[: bit // 8]
    flipped = bytearray(content)
    flipped[bit // 8] ^= 1 << bit % 8
    return bytes(flipped)


def crafted(path: Path, chance: random.Random) -> Iterator[str]:
    """One program, run as `motet verify` runs it."""
    scorer = Recommender.load(path).scorer
    rows, items = torch.arange(3), torch.arange(3)
    pairs = (serving.asked(scorer, rows, None)["vector"], torch.as_tensor(scorer.items[items]), rows, items)
    asked = {
        serving.USER: {"user": rows.numpy()},
        serving.RANK: {name: values.numpy() for name, values in zip(serving.PAIR, pairs, strict=True)},
    }
    whole = {name: (path / name).read_bytes() for name in asked}
    while True:
        name = chance.choice(list(whole))
        content = changed(name, whole[name], chance)
        yield outcome(partial(run, name, content, asked[name]), name)


if __name__ == "__main__":
    fuzz(
        {
            "damaged": lambda place, chance: damaged(exported(place), chance),
            "crafted": lambda place, chance: crafted(exported(place), chance),
        },
        __doc__,
    )
