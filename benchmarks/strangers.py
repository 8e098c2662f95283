"""Users whom training never saw, answered by a history that comes with the question: `python -m benchmarks.strangers`.

MovieLens 100K. 100 users of at least 40 events are left out of training; 1, 5 and 20 of their items are told as a
history. Figure: hit_rate@10 over all other items they had, `unseen` (the told ones left out). Beside it popularity, the
mean user, two other ways to make a vector of a history, and the same users when those items are training rows. Another
100 users left out are those on which the settings of `HistoryMap` were chosen: `--validation` shows them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from motet import demo
from motet.data import datasets
from motet.data.log import EventLog
from motet.recommender import Recommender
from motet.scorer import Askers

LEFT_OUT = 100
TOLD = (1, 5, 20)
WAYS = ("mean user", "neighbours", "ridge", "linear map")


def vectors(recommender: Recommender, askers: Askers, told: Tensor) -> dict[str, Tensor]:
    """User vectors by every way; `told` has a line a user, 1 for the items that were told."""
    mean = recommender.scorer.users(askers.rows)
    found = (mean, neighbours(recommender, told), ridge(recommender.scorer.items, told), askers.vectors)
    return dict(zip(WAYS, found, strict=True))


def neighbours(recommender: Recommender, told: Tensor) -> Tensor:
    """The weighted mean of the 50 known users with the most alike histories, by cosine."""
    had = recommender.fold_in.histories
    users = (had.starts.diff() > 0).nonzero()[:, 0]
    known = torch.zeros(len(users), told.shape[1])
    known[had.of_users(users)] = 1
    alike, who = (F.normalize(told) @ F.normalize(known).T).topk(50)
    weights = alike / alike.sum(1, keepdim=True)
    return (weights[:, :, None] * recommender.scorer.users(users)[who]).sum(1)


def ridge(items: Tensor, told: Tensor) -> Tensor:
    """The implicit ALS step for a user: 1 for what they had, 0 for all else."""
    square, alpha = items.T @ items, 20.0
    lines = []
    for line in told:
        own = items[line > 0]
        left = square + alpha * own.T @ own + 10.0 * torch.eye(len(square))
        lines.append(torch.linalg.solve(left, (1 + alpha) * own.sum(0)))
    return torch.stack(lines)


def marked(told: Sequence[Tensor], items: int) -> Tensor:
    """A line a user, 1 for the items that were told."""
    lines = torch.zeros(len(told), items)
    for line, own in zip(lines, told, strict=True):
        line[own] = 1
    return lines


def hit_rate(scores: Tensor, told: list[Tensor], rest: list[Tensor]) -> float:
    """Share of the other items that are among the ten best."""
    scores[:, 0] = -torch.inf
    hits = 0
    for line, had, wanted in zip(scores, told, rest, strict=True):
        line[had] = -torch.inf
        hits += int(torch.isin(line.topk(10).indices, wanted).sum())
    return hits / sum(map(len, rest))


def scored(recommender: Recommender, askers: Askers) -> Tensor:
    """What the retrieval task says of all items."""
    return recommender.scorer.queries(askers) @ recommender.scorer.candidates().T


def measure(log: EventLog, seed: int, *, validation: bool) -> dict[str, list[float]]:
    """Every way's figure for each length of history."""
    batch = log.batch()
    many = (torch.bincount(batch.users, minlength=len(log.users)) >= 40).nonzero()[:, 0]
    drawn = many[torch.randperm(len(many), generator=torch.Generator().manual_seed(seed))][: 2 * LEFT_OUT]
    users = drawn[LEFT_OUT:] if validation else drawn[:LEFT_OUT]
    train = log.take(~torch.isin(batch.users, drawn))
    recommender = Recommender(demo.best(train, seed=seed, progress=False), train)
    ids = log.users.vocab.decode(users).to_list()
    strangers = [-id for id in ids]  # ids that are in no log
    figures: dict[str, list[float]] = {name: [] for name in ("popularity", *WAYS, "trained")}
    for size in TOLD:
        told, rest = [], []
        for user in users.tolist():
            had = batch.items[batch.users == user].unique()
            had = had[torch.randperm(len(had), generator=torch.Generator().manual_seed(user))]
            told.append(had[:size])
            rest.append(had[size:])
        popular = recommender.scorer.counts.float().expand(len(users), -1).clone()
        figures["popularity"].append(hit_rate(popular, told, rest))
        histories = {user: log.items.vocab.decode(own).to_list() for user, own in zip(strangers, told, strict=True)}
        askers = recommender.fold_in(strangers, histories=histories)
        for name, found in vectors(recommender, askers, marked(told, len(log.items))).items():
            figures[name].append(hit_rate(scored(recommender, replace(askers, vectors=found)), told, rest))
        if not validation:
            pairs = batch.users * len(log.items) + batch.items
            own = torch.isin(pairs, users.repeat_interleave(size) * len(log.items) + torch.cat(told))
            both = log.take(~torch.isin(batch.users, drawn) | own)
            trained = Recommender(demo.best(both, seed=seed, progress=False), both)
            figures["trained"].append(hit_rate(scored(trained, trained.fold_in(ids)), told, rest))
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
