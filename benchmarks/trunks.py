"""Shared bottom, MMoE and PLE of about equal size, where tastes agree and where not: `python -m benchmarks.trunks`.

A simulated shop whose events are frequent, so that a small trunk and not the number of rows is what limits a model.
Two tasks: is it clicked, and is it bought once in the cart. The truth judges them: how much more log loss the predicted
probabilities have than the true ones would, in thousandths of a nat, on test rows.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from statistics import mean, stdev

import torch
from torch import Tensor

from motet import FeatureTower, Model, fit, simulate, split
from motet.tasks import Event
from motet.trunks import PLE, MMoE, SharedBottom, Trunk

CONFLICTS = (0.0, 0.5)  # purchases follow the taste of clicks, or one that has nothing to do with it
TRUNKS = {
    "shared bottom": lambda: SharedBottom((32,), product=True),
    "MMoE, 4 experts": lambda: MMoE(4, hidden=(8,), product=True),
    "PLE, 2 shared, 1 each": lambda: PLE(shared=2, own=1, hidden=(8,), product=True),
}


def excess(true: Tensor, predicted: Tensor) -> float:
    """The log loss of predictions beyond that of the truth, in thousandths of a nat."""
    p, q = (probs.double().clamp(1e-6, 1 - 1e-6) for probs in (true, predicted))
    return 1e3 * float((p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).mean())


def judged(conflict: float, seed: int, trunk: Trunk) -> tuple[float, float, int]:
    """The excess of clicks and of purchases, and the parameters of trunk and heads."""
    frequent = {"click_rate": 0.5, "cart_rate": 0.4, "purchase_rate": 0.2}
    shop = simulate.shop(100, 60, seed=seed, impressions=250_000, conflict=conflict, position_bias=0, **frequent)
    train, test = split.random(shop.log, test=0.2, seed=seed)
    torch.manual_seed(seed)
    user, item = (FeatureTower(side, dim=12, features=(), init_scale=0.3) for side in (shop.log.users, shop.log.items))
    tasks = [Event("clicked", hidden=(8,)), Event("bought", where="carted == 1", hidden=(8,))]
    model = Model(user=user, item=item, tasks=tasks, trunk=trunk)
    optimizer = partial(torch.optim.AdamW, lr=0.01, weight_decay=0.01)
    fit(model, train, epochs=8, batch_size=2048, optimizer=optimizer, average=0.99, seed=seed, progress=False)
    batch = test.batch()
    carted = batch["carted"] == 1
    with torch.no_grad():
        scores = model.score(batch)
    clicked, bought = (shop.probability(stage, batch.users, batch.items) for stage in ("clicked", "bought_if_carted"))
    size = sum(parameter.numel() for part in (trunk, *tasks) for parameter in part.parameters())
    return excess(clicked, scores["clicked"]), excess(bought[carted], scores["bought"][carted]), size


def spread(values: Sequence[float], form: str = ".1f") -> str:
    """Mean and standard deviation."""
    return f"{mean(values):{form}} +- {stdev(values):.1f}"


def rows(results: Mapping[str, Sequence[tuple[float, float, int]]], conflict: float) -> Iterator[str]:
    """Lines of the table; the last column compares seed by seed with the first trunk."""
    sums = {name: [clicked + bought for clicked, bought, _ in each] for name, each in results.items()}
    first = next(iter(sums.values()))
    for name, each in results.items():
        clicked, bought, size = zip(*each, strict=True)
        gap = spread([a - b for a, b in zip(sums[name], first, strict=True)], "+.1f") if sums[name] != first else ""
        yield f"| {conflict} | {name} | {size[0]:,} | {spread(clicked)} | {spread(bought)} | {gap} |"


if __name__ == "__main__":
    seeds = range(1, 1 + (int(sys.argv[1]) if len(sys.argv) > 1 else 5))
    print("| conflict | trunk | parameters | clicked | bought, once in the cart | both, against the first |")
    print("|---|---|---|---|---|---|")
    for conflict in CONFLICTS:
        results = {name: [judged(conflict, seed, build()) for seed in seeds] for name, build in TRUNKS.items()}
        print(*rows(results, conflict), sep="\n", flush=True)
