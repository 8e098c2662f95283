"""Open what strangers could have written: `python -m benchmarks.fuzz_artifact [--flips N] [--alone N] [--whole N]`.

Flips: one bit of a signed artifact, anywhere, is turned; the file has to be refused by name. Alone: one file is
crafted, and what reads it is called. Whole: an artifact with one or two crafted files, under checksums that hold, is
opened as a service opens it, and asked for recommendations if it opens. Whatever comes has to be an error of motet's
that names a file, or an answer that JSON can hold. TMPDIR=/dev/shm spares the disk.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import resource
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import torch
from pydantic import ValidationError
from tests.export.crafted import Files, changed, crafted, manifest

from motet import EventLog, FeatureTower, Model, Recommender, Schema, calibrate, tasks
from motet.artifact import vectors
from motet.artifact.folder import read_folder, write_folder
from motet.artifact.reading import EVENTS, SIDES, read_log, reading
from motet.artifact.sealed import read_document
from motet.data.schema import Categorical, MultiValued, Numeric, Text
from motet.errors import ArtifactError, MotetError
from motet.export import export
from motet.export.card import read_card
from motet.index import ApproximateIndex, approximate, load
from motet.retrievers import Retriever, Touched
from motet.serve.bodies import RecommendBody
from motet.serve.models.served import ServedModel
from motet.serve.problem import Problem
from motet.trunks import MMoE

ITEMS, USERS = 64, 8
SETTLED = 500  # inputs after which the memory is taken as that of a process at work


def artifact(place: Path) -> Path:
    """A small artifact with everything that one can hold, programs apart."""
    generator = torch.Generator().manual_seed(0)

    def draw(low: int, high: int) -> list[int]:
        numbers: list[int] = torch.randint(low, high, (120,), generator=generator).tolist()
        return numbers

    columns = {"user_id": draw(1, USERS + 1), "item_id": [f"film {number}" for number in draw(0, ITEMS)]}
    more = {"stars": draw(1, 6), "click": draw(0, 2), "event": ["view", "buy"] * 60, "at": range(120)}
    users = pl.DataFrame({"user_id": range(1, USERS + 1), "age": range(20, 28), "job": ["cook", "clerk"] * 4})
    genres, titles = [["war", "drama"], ["jazz"]] * (ITEMS // 2), ["The sea", "A war"] * (ITEMS // 2)
    films = pl.DataFrame({"item_id": [f"film {number}" for number in range(ITEMS)], "genres": genres, "title": titles})
    schema = Schema(
        time="at",
        event="event",
        signals=("stars", "click"),
        user_features={"age": Numeric(), "job": Categorical()},
        item_features={"genres": MultiValued(), "title": Text(max_tokens=5)},
    )
    log = EventLog.read(pl.DataFrame(columns | more), schema, users=users, items=films)
    torch.manual_seed(0)
    told = [tasks.Retrieval(heads=2, item_bias=True), tasks.Rating("stars", hidden=(8,)), tasks.Event("click")]
    towers: dict[str, Any] = {"user": FeatureTower(log.users, dim=4), "item": FeatureTower(log.items, dim=4)}
    model = Model(**towers, tasks=told, trunk=MMoE(2, hidden=(5,)))
    model.prepare(log)
    calibrate(model, log)
    approximate.FEWEST = 16
    index = ApproximateIndex(Recommender(model, log).ranker.index.vectors)
    given: dict[str, Any] = {"index": index, "by": {"stars": 1.0}, "seen": "click == 1"}
    stages: list[list[str | Retriever]] = [[Touched(where="event == 'view'"), "retrieval"]]
    run = {"name": "films", "seed": 3, "about": "the last tenth", "format": 1}
    Recommender(model, log, retrieve=stages, **given).save(place / "model", run=json.dumps(run))
    export(place / "model", place / "artifact", onnx=False, report="<h1>How it went</h1>")
    return place / "artifact"


def flips(path: Path, chance: random.Random) -> Iterator[str]:
    """One bit, anywhere."""
    names = ["model.json", "model.safetensors", "events.safetensors", "serving/user.onnx", "card.md"]
    sizes = (600, 20_000, 5_000, 3_000, 900)
    files = [(name, chance.randbytes(size)) for name, size in zip(names, sizes, strict=True)]
    write_folder(path, files, lambda _: {"signature": chance.randbytes(64).hex()})
    while True:
        name = chance.choice(["manifest.json", "manifest.sig", *names])
        whole = (path / name).read_bytes()
        bit = chance.randrange(8 * len(whole))
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        (path / name).write_bytes(flipped)
        try:
            read_folder(path)
        except ArtifactError as error:
            yield "refused by name" if repr(name) in str(error) else f"refused, and not by name: {error}"
        else:
            yield "a flipped bit was not seen"
        (path / name).write_bytes(whole)


def alone(path: Path, chance: random.Random) -> Iterator[str]:
    """One file, and what reads it."""
    files = contents(path)
    recommender, document = Recommender.load(path), read_document(path, "model.json", str(path))
    queries = torch.randn(2, recommender.ranker.index.vectors.shape[1])
    manifests = (path / "manifest.json").read_bytes()
    at_hand = {hashlib.sha256(files[vectors.FILE]).hexdigest(): recommender.scorer.vectors.rows[1:].clone()}

    def item_vectors() -> None:
        with reading(vectors.FILE, str(path)):
            vectors.read(path)

    def index() -> None:
        with reading("index.safetensors", str(path)):
            found = load(path / "index.safetensors", at_hand)
        if found.vectors.shape[1] == queries.shape[1] and found.vectors.dtype == queries.dtype:
            found.search(queries, 3)

    readers: dict[str, Callable[[], object]] = {
        **dict.fromkeys((*SIDES, EVENTS), lambda: read_log(path, "it", document)),
        "model.json": lambda: read_log(path, "it", read_document(path, "model.json", "it")),
        "index.safetensors": index,
        vectors.FILE: item_vectors,
        "card.json": lambda: read_card(recommender, path),
        **{name: partial(read_document, path, name, "it") for name in ("run.json", "fusion.json")},
        "manifest.json": lambda: read_folder(path),
    }
    while True:
        name = chance.choice(list(readers))
        content = manifest(files, chance) if name == "manifest.json" else changed(name, files[name], chance)
        (path / name).write_bytes(content)
        yield outcome(readers[name], *((str(path),) if name == "manifest.json" else files))
        (path / name).write_bytes(manifests if name == "manifest.json" else files[name])


def whole(path: Path, chance: random.Random) -> Iterator[str]:
    """An artifact, opened and asked."""
    files = contents(path)
    while True:
        _, made = crafted(files, chance)
        for other, content in made.items():
            (path / other).write_bytes(content)
        (path / "manifest.json").write_bytes(manifest(made))
        yield outcome(lambda: ask(path), *files)


def ask(path: Path) -> None:
    """What a service does with an artifact."""
    model = ServedModel.load(path)
    ids = model.recommender.users.vocab.ids
    try:
        body = RecommendBody.model_validate({"users": [ids[0] if len(ids) else 1, "nobody"], "k": 3, "reasons": True})
        answers = (model.describe(), model.recommend(body, {}), model.catalogue.items("", 3, 0, []))
        json.dumps([*answers, model.catalogue.map(5)], allow_nan=False)
    except (MotetError, Problem, ValidationError):
        return  # an error of a question


def outcome(act: Callable[[], object], *names: str) -> str:
    """What became of an input: nothing, or an error that names one of these files."""
    try:
        act()
    except MotetError as error:
        return (
            "refused by name" if any(repr(name) in str(error) for name in names) else f"REFUSED WITHOUT A NAME: {error}"
        )
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"TRACEBACK {type(error).__name__}: {str(error)[:80]} in {place.filename}:{place.lineno}"
    return "opened"


def contents(path: Path) -> Files:
    """The files of an artifact without its manifest."""
    names = json.loads((path / "manifest.json").read_bytes())["files"]
    return {name: (path / name).read_bytes() for name in names}


def held() -> float:
    """MiB of memory that the process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def fuzz(kinds: Mapping[str, Callable[[Path, random.Random], Iterator[str]]], description: str | None) -> None:
    """Ask how many inputs of each kind, and print what became of them, the slowest, and what memory grew by."""
    parser = argparse.ArgumentParser(description=description)
    for kind in kinds:
        parser.add_argument(f"--{kind}", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    asked = vars(parser.parse_args())
    torch.set_num_threads(1)
    for kind in filter(asked.get, kinds):
        count, found = asked[kind], Counter[str]()
        slowest, settled, started = 0.0, 0.0, time.perf_counter()
        with tempfile.TemporaryDirectory() as place:
            inputs = kinds[kind](Path(place), random.Random(f"{kind} {asked['seed']}"))
            for number in range(count):
                before = time.process_time()
                found[next(inputs)] += 1
                slowest = max(slowest, time.process_time() - before)
                if number == min(SETTLED, count // 2):
                    settled = held()
        told = ", ".join(f"{size:,} {what}" for what, size in found.most_common())
        print(f"{kind}: {count:,} in {time.perf_counter() - started:.0f} s: {told}; ", end="")
        print(f"slowest {slowest:.1f} s, memory {held() - settled:+.0f} MiB since the first {SETTLED}", flush=True)


if __name__ == "__main__":
    fuzz(
        {
            "flips": lambda place, chance: flips(place / "flips", chance),
            "alone": lambda place, chance: alone(artifact(place), chance),
            "whole": lambda place, chance: whole(artifact(place), chance),
        },
        __doc__,
    )
