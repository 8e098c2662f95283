"""Shared bottom, MMoE and PLE where tastes agree and where not: `python -m benchmarks.trunks [SEEDS]`.

A simulated shop in which clicks, purchases, returns and ratings are frequent, and towers that are given the true
tastes: what limits a model is its trunk, and not the number of rows. The trunks are of about equal size. Clicks
dominate the sum of the losses: the other tasks weigh a thousandth, as in a sum over impressions of which one in a
thousand is bought.

Each trunk is tried with four settings on a shop of its own, where validation rows choose among them; other validation
rows of each further shop say when to stop. The truth judges: what a prediction leaves unexplained of the probabilities
(of the stars) of all pairs of user and item, 1 for a constant. It is measured as divergence, for stars as variance.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from statistics import mean
from typing import Any, NamedTuple

import numpy as np
import torch
from benchmarks.measure import spread
from torch import Tensor

from motet import EarlyStopping, Model, fit, simulate, split
from motet.data.batch import Batch
from motet.data.entities import Entities
from motet.data.shop import Shop
from motet.tasks import Event, Rating
from motet.towers import PretrainedTower, aligned
from motet.trunks import PLE, MMoE, SharedBottom, Trunk

CONFLICTS = (0.0, 0.5, 1.0)  # the others follow the taste of clicks, each one of its own, or its opposite
TUNED_ON = (0.5, 100)  # conflict and seed of the shop on which settings are chosen
TASKS = {"clicked": "clicked", "bought": "bought_if_carted", "returned": "returned_if_bought", "rating": "rating"}
WEIGHT = 0.001  # of every task but clicks
EVENTS = list(TASKS)[:3]
USERS, ITEMS, ROWS = 300, 200, 80_000


class Setting(NamedTuple):
    """What is tried: a trunk, and a rate to train it with."""

    build: Callable[[], Trunk]
    lr: float


def rates(*trunks: Callable[[], Trunk]) -> list[Setting]:
    """Each trunk with two rates."""
    return [Setting(build, lr) for build in trunks for lr in (0.005, 0.01)]


TRUNKS = {
    "shared bottom": rates(
        partial(SharedBottom, (32,), product=True),
        partial(SharedBottom, (28, 16), product=True),
    ),
    "MMoE": rates(
        partial(MMoE, 4, hidden=(8,), product=True),
        partial(MMoE, 2, hidden=(16,), product=True),
    ),
    "PLE": rates(
        partial(PLE, shared=1, own=1, hidden=(8,), product=True),
        partial(PLE, shared=2, own=1, hidden=(7,), product=True),
    ),
}


class Outcome(NamedTuple):
    """One trained model: loss on validation rows, what it leaves unexplained by task, size of trunk and heads."""

    validation: float
    unexplained: dict[str, float]
    parameters: int


def open_shop(conflict: float, seed: int) -> Shop:
    """A shop without rare items, and with events enough."""
    often: dict[str, Any] = {"click_rate": 0.5, "cart_rate": 0.4, "purchase_rate": 0.2}
    often |= {"return_rate": 0.3, "review_rate": 0.5}
    still: dict[str, Any] = {"popularity": 0.0, "position_bias": 0.0, "new_items": 0.0}
    return simulate.shop(USERS, ITEMS, seed=seed, impressions=ROWS, conflict=conflict, **often, **still)


def tower(entities: Entities, tastes: np.ndarray, *more: np.ndarray) -> PretrainedTower:
    """A trained map of the truth about users or items, narrower than all that the stages read of it."""
    known = np.concatenate([tastes.real, tastes.imag, *(column[:, None] for column in more)], 1)
    known = (known - known.mean(0)) / known.std(0)
    vectors = aligned(entities, range(1, 1 + len(known)), known)
    return PretrainedTower(entities, vectors, dim=12, ids=False, features=(), init_scale=0.3)


def model_of(shop: Shop, trunk: Trunk) -> Model:
    """Four tasks of which clicks weigh a thousand times what the others do."""
    market, where = shop.market, {"bought": "carted == 1", "returned": "bought == 1"}
    return Model(
        user=tower(shop.log.users, market.user_taste, market.thrift),
        item=tower(shop.log.items, market.item_taste, market.quality, market.cost),
        tasks=[*(Event(name, where=where.get(name), hidden=(8,)) for name in EVENTS), Rating(hidden=(8,))],
        trunk=trunk,
        weights=dict.fromkeys(list(TASKS)[1:], WEIGHT),
    )


def trained(conflict: float, seed: int, setting: Setting) -> Outcome:
    """Train and judge a model."""
    shop = open_shop(conflict, seed)
    learn, validation = split.random(shop.log, test=0.2, seed=seed)
    torch.manual_seed(seed)
    model = model_of(shop, setting.build())
    history = fit(
        model,
        learn,
        epochs=10,
        batch_size=1024,
        optimizer=partial(torch.optim.AdamW, lr=setting.lr, weight_decay=0.0),
        average=0.99,
        validation=validation,
        early_stopping=EarlyStopping("bought/log_loss", patience=2),
        seed=seed,
        progress=False,
    )
    best = history.sort("validation/bought/log_loss").row(0, named=True)
    found = sum(best[f"validation/{name}/log_loss"] / math.log(2) for name in EVENTS)
    found += best["validation/rating/rmse"] ** 2 / 2  # about as far from 0 as the others
    parts: list[torch.nn.Module] = [*model.tasks.values(), *([] if model.trunk is None else [model.trunk])]
    size = sum(each.numel() for part in parts for each in part.parameters())
    return Outcome(found, judged(model, shop), size)


def judged(model: Model, shop: Shop) -> dict[str, float]:
    """What is left unexplained of each task's truth, over all pairs."""
    users, items = (
        each.flatten() for each in torch.meshgrid(torch.arange(1, USERS + 1), torch.arange(1, ITEMS + 1), indexing="ij")
    )
    with torch.no_grad():
        scores = model.score(Batch({"user_id": users, "item_id": items}))
    found = {}
    for name, stage in TASKS.items():
        truth, distance = shop.probability(stage, users, items), variance if name == "rating" else divergence
        found[name] = distance(truth, scores[name]) / distance(truth, truth.mean().expand_as(truth))
    return found


def divergence(truth: Tensor, predicted: Tensor) -> float:
    """Of predicted probabilities from the true ones: what they add to the log loss."""
    p, q = (probs.double().clamp(1e-6, 1 - 1e-6) for probs in (truth, predicted))
    return float((p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).mean())


def variance(truth: Tensor, predicted: Tensor) -> float:
    """Of predicted stars around the true ones."""
    return float((truth - predicted).double().square().mean())


def rows(results: Mapping[str, Sequence[Outcome]], conflict: float) -> Iterator[str]:
    """Lines of the table; the last column compares seed by seed with the first trunk."""
    means = {name: [mean(one.unexplained.values()) for one in each] for name, each in results.items()}
    first = next(iter(means.values()))
    for name, each in results.items():
        by_task = [spread([one.unexplained[task] for one in each]) for task in TASKS]
        gap = spread([a - b for a, b in zip(means[name], first, strict=True)], "+.3f") if means[name] != first else ""
        cells = (f"{conflict}", name, f"{each[0].parameters:,}", *by_task, spread(means[name]), gap)
        yield f"| {' | '.join(cells)} |"


def chosen(settings: Sequence[Setting]) -> Setting:
    """The setting that validation rows prefer, on a shop of which no figure is shown."""
    tried = {setting: trained(*TUNED_ON, setting).validation for setting in settings}
    return min(tried, key=lambda setting: tried[setting])


if __name__ == "__main__":
    seeds = range(1, 1 + (int(sys.argv[1]) if len(sys.argv) > 1 else 5))
    settings = {name: chosen(each) for name, each in TRUNKS.items()}
    print(f"| conflict | trunk | parameters | {' | '.join(TASKS)} | mean | mean, against the first |\n|{'---|' * 9}")
    for conflict in CONFLICTS:
        results = {name: [trained(conflict, seed, setting) for seed in seeds] for name, setting in settings.items()}
        print(*rows(results, conflict), sep="\n", flush=True)
