"""Users whom training never saw, answered by a history that comes with the question: `python -m benchmarks.strangers`.

MovieLens 100K. 100 users of at least 40 events are left out of training; 1, 5 and 20 of their items are told as a
history. Figure: hit_rate@10 over all other items they had, `unseen` (the told ones left out). Beside it popularity, the
mean user, two other ways to make a vector of a history, and the same users when those items are training rows. Another
100 users left out are those on which the settings of `FoldIn` were chosen: `--validation` shows them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from motet import demo
from motet.data import datasets
from motet.data.log import EventLog
from motet.data.visitors import Visitors
from motet.recommender import Recommender
from motet.scorer import Askers

LEFT_OUT = 100
TOLD = (1, 5, 20)
Vectors = Callable[[Recommender, Visitors], Tensor]


def neighbours(recommender: Recommender, visitors: Visitors) -> Tensor:
    """The weighted mean of the 50 known users with the most alike histories, by cosine."""
    fold = recommender.fold_in
    known = _matrix(recommender, Visitors(fold._trained))
    alike, who = (F.normalize(_matrix(recommender, visitors)) @ F.normalize(known).T).topk(50)
    weights = alike / alike.sum(1, keepdim=True)
    return (weights[:, :, None] * recommender.scorer.users(fold._trained)[who]).sum(1)


def ridge(recommender: Recommender, visitors: Visitors) -> Tensor:
    """The implicit ALS step for a user: 1 for what they had, 0 for all else."""
    vectors, had = recommender.scorer.items, _matrix(recommender, visitors)
    square, alpha = vectors.T @ vectors, 20.0
    lines = []
    for line in had:
        own = vectors[line > 0]
        left = square + alpha * own.T @ own + 10.0 * torch.eye(len(square))
        lines.append(torch.linalg.solve(left, (1 + alpha) * own.sum(0)))
    return torch.stack(lines)


def linear(recommender: Recommender, visitors: Visitors) -> Tensor:
    """What `FoldIn` does."""
    fold = recommender.fold_in
    return recommender.scorer.users(visitors.rows) + fold._summary(visitors) @ fold._map


def mean(recommender: Recommender, visitors: Visitors) -> Tensor:
    """The mean user, whatever was told."""
    return recommender.scorer.users(visitors.rows)


WAYS: Mapping[str, Vectors] = {"mean user": mean, "neighbours": neighbours, "ridge": ridge, "linear map": linear}


def _matrix(recommender: Recommender, visitors: Visitors) -> Tensor:
    had = recommender.fold_in._had(visitors)
    lines = torch.zeros(len(visitors), len(recommender.items))
    lines[torch.arange(len(visitors)).repeat_interleave(had.starts.diff()), had.items] = 1
    return lines


def hit_rate(scores: Tensor, told: list[Tensor], rest: list[Tensor]) -> float:
    """Share of the other items that are among the ten best."""
    scores[:, 0] = -torch.inf
    hits = 0
    for line, had, wanted in zip(scores, told, rest, strict=True):
        line[had] = -torch.inf
        hits += int(torch.isin(line.topk(10).indices, wanted).sum())
    return hits / sum(map(len, rest))


def scored(recommender: Recommender, vectors: Tensor, rows: Tensor) -> Tensor:
    """What the retrieval task says of all items."""
    nothing = [rows[:0]] * len(rows)
    askers = Askers(rows, vectors, nothing, nothing, rows.numpy().astype(object))
    return recommender.scorer.queries(askers) @ recommender.scorer.candidates().T


def measure(log: EventLog, seed: int, *, validation: bool) -> dict[str, list[float]]:
    """Every way's figure for each length of history."""
    batch = log.batch()
    many = (torch.bincount(batch.users, minlength=len(log.users)) >= 40).nonzero()[:, 0]
    drawn = many[torch.randperm(len(many), generator=torch.Generator().manual_seed(seed))][: 2 * LEFT_OUT]
    users = drawn[LEFT_OUT:] if validation else drawn[:LEFT_OUT]
    train = log.take(~torch.isin(batch.users, drawn))
    recommender = Recommender(demo.best(train, seed=seed, progress=False), train)
    figures: dict[str, list[float]] = {name: [] for name in ("popularity", *WAYS, "trained")}
    for size in TOLD:
        told, rest = [], []
        for user in users.tolist():
            had = batch.items[batch.users == user].unique()
            had = had[torch.randperm(len(had), generator=torch.Generator().manual_seed(user))]
            told.append(had[:size])
            rest.append(had[size:])
        who = torch.arange(len(users)).repeat_interleave(size)
        visitors = Visitors(torch.zeros_like(users), who=who, items=torch.cat(told))
        popular = recommender.scorer.counts.float().expand(len(users), -1).clone()
        figures["popularity"].append(hit_rate(popular, told, rest))
        for name, way in WAYS.items():
            vectors = way(recommender, visitors)
            figures[name].append(hit_rate(scored(recommender, vectors, visitors.rows), told, rest))
        if not validation:
            pairs = batch.users * len(log.items) + batch.items
            own = torch.isin(pairs, users.repeat_interleave(size) * len(log.items) + torch.cat(told))
            both = log.take(~torch.isin(batch.users, drawn) | own)
            trained = Recommender(demo.best(both, seed=seed, progress=False), both)
            figures["trained"].append(hit_rate(scored(trained, trained.scorer.users(users), users), told, rest))
    return figures


def main() -> None:
    """Print a line a seed, and then the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--validation", action="store_true")
    parser.add_argument("--out", type=Path, help="A line of JSON a seed is appended here.")
    asked = parser.parse_args()
    log = datasets.movielens("100k", item="title", progress=False)
    found = []
    for seed in asked.seeds:
        found.append(measure(log, seed, validation=asked.validation))
        print(seed, json.dumps(found[-1]), flush=True)
        if asked.out:
            with asked.out.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(found[-1]) + "\n")
    for name in found[0]:
        if found[0][name]:
            every = torch.tensor([one[name] for one in found])
            told = zip(every.mean(0).tolist(), every.amin(0).tolist(), every.amax(0).tolist(), strict=True)
            print(
                f"| {name} |", " | ".join(f"{middle:.4f} ({low:.4f} to {high:.4f})" for middle, low, high in told), "|"
            )


if __name__ == "__main__":
    main()
