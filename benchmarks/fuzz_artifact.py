"""Flip bits of a signed artifact, one at a time: each is refused by name. `python -m benchmarks.fuzz_artifact`."""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

from motet.artifact.folder import read_folder, write_folder
from motet.errors import ArtifactError


def main(flips: int, seed: int) -> None:
    chance = random.Random(seed)
    names = ["model.json", "model.safetensors", "events.parquet", "serving/user.onnx", "card.md"]
    sizes = (600, 20_000, 5_000, 3_000, 900)
    files = [(name, chance.randbytes(size)) for name, size in zip(names, sizes, strict=True)]
    caught, start = 0, time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "artifact"
        write_folder(path, files, lambda _: {"signature": chance.randbytes(64).hex()})
        for _ in range(flips):
            name = chance.choice(["manifest.json", "manifest.sig", *names])
            whole = (path / name).read_bytes()
            bit = chance.randrange(8 * len(whole))
            flipped = bytearray(whole)
            flipped[bit // 8] ^= 1 << bit % 8
            (path / name).write_bytes(flipped)
            try:
                read_folder(path)
            except ArtifactError as error:
                caught += repr(name) in str(error)
            (path / name).write_bytes(whole)
        read_folder(path)
    print(f"{caught:,} of {flips:,} flipped bits refused by name in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flips", type=int, default=12_000)
    parser.add_argument("--seed", type=int, default=0)
    main(**vars(parser.parse_args()))
