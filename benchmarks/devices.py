"""The CPU and the GPU of one machine: `python -m benchmarks.devices [cpu|cuda]`, by default both.

Training: rows a second of `fit`, the median of three epochs after one that is not counted. Search and evaluation:
median seconds of five calls after one that is not counted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

import torch
from benchmarks.measure import median_seconds
from benchmarks.precision import PRECISIONS, drawn

from motet import datasets, evaluate, fit, simulate
from motet.data.log import EventLog
from motet.index import ExactIndex
from motet.layers.precision import Precision
from motet.model import Model
from motet.tasks import Catalogue, Event, Rating, Retrieval, Task
from motet.towers import FeatureTower

BATCH, DIM, HIDDEN = 8192, 64, (256, 128)
EPOCHS = 3  # after one that is not counted
SHOP = (100_000, 20_000)  # users and items
ROWS, K = 1_000_000, 500  # of the shop and of the index; of a list


def trainings() -> Iterator[tuple[str, EventLog, Callable[[], list[Task]], int]]:
    """What is trained: a name, the rows, what makes the tasks, and the rows of a batch."""
    films = datasets.movielens("100k", item="title")
    yield "MovieLens 100K, joint", films, lambda: [Rating("rating", hidden=HIDDEN), Retrieval()], BATCH
    shop = simulate.shop(*SHOP, impressions=ROWS, seed=1).log
    yield "shop, retrieval and two heads", shop, voices, BATCH
    yield f"the same, batches of {8 * BATCH:,}", shop.take(slice(0, 64 * BATCH)), voices, 8 * BATCH
    some = drawn(200_000, 200_000, 100_000).take(slice(0, 4 * BATCH))
    yield "softmax over a catalogue of 100,000", some, lambda: [Retrieval(pool=Catalogue())], BATCH


def voices() -> list[Task]:
    """The tasks of the shop."""
    heads = [Event(signal, hidden=HIDDEN) for signal in ("clicked", "bought")]
    return [Retrieval(positives="clicked == 1"), *heads]


def joint(log: EventLog, tasks: list[Task]) -> Model:
    """A model with dim 64 and every feature."""
    torch.manual_seed(0)
    return Model(user=FeatureTower(log.users, dim=DIM), item=FeatureTower(log.items, dim=DIM), tasks=tasks)


def rate(log: EventLog, tasks: Callable[[], list[Task]], batch: int, device: str, precision: Precision) -> float:
    """Rows a second."""
    train = partial(fit, epochs=1 + EPOCHS, batch_size=batch, progress=False)
    history = train(joint(log, tasks()), log, device=device, precision=precision)
    seconds: list[float] = history["seconds"][1:].to_list()
    return len(log) / median(seconds)


def finished(call: Callable[[], object]) -> None:
    """Make a call, and wait until the GPU has done its work."""
    call()
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def searches(device: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """Exact searches among a million vectors."""
    draw = torch.Generator().manual_seed(0)
    index = ExactIndex(torch.randn(ROWS, DIM, generator=draw).to(device))
    for many in (1, 256):
        queries = torch.randn(many, DIM, generator=draw).to(device)
        yield f"exact search, {ROWS:,} x {DIM}, {many} queries, k={K}", partial(index.search, queries, K)


def evaluations(device: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """The ranks of 20,000 held-out rows, each of another user."""
    log = drawn(100_000, 20_000, 100_000)
    test = log.take(slice(0, 20_000))
    model = joint(log, [Retrieval()]).to(device)
    model.prepare(log)
    measured = partial(evaluate, model, test, train=log.take(slice(20_000, None)), baselines=False)
    yield "evaluate, 20,000 users over 100,000 items", measured


def main(devices: list[str]) -> None:
    """Print both tables."""
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    print(*(torch.cuda.get_device_name() for device in devices if device == "cuda"))
    columns = [(device, precision) for device in devices for precision in PRECISIONS]
    print(f"| rows a second | {' | '.join(map(' '.join, columns))} |\n|---|{'---|' * len(columns)}")
    for name, log, tasks, batch in trainings():
        rates = [rate(log, tasks, batch, *column) for column in columns]
        print(f"| {name} | {' | '.join(f'{each:,.0f}' for each in rates)} |", flush=True)
    print(f"\n| milliseconds | {' | '.join(devices)} |\n|---|{'---|' * len(devices)}")
    for kind in (searches, evaluations):
        for calls in zip(*map(kind, devices), strict=True):
            found = [1000 * median_seconds(partial(finished, call)) for _, call in calls]
            print(f"| {calls[0][0]} | {' | '.join(f'{each:,.2f}' for each in found)} |", flush=True)


if __name__ == "__main__":
    both = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    main(sys.argv[1:] or both)
