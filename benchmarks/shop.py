"""What clicks say about purchases, judged by the truth: `python -m benchmarks.shop [SEEDS]`.

A simulated shop, its first 70 % for training, the next 10 % to choose among the settings and when to stop, the last
20 % as the test. A model of purchases alone stands beside one of clicks and purchases; each is tried with three
settings. AUC and calibration compare predictions with the true probabilities of the test rows, not with what was drawn.
"""

from __future__ import annotations

import sys
from functools import partial
from itertools import product
from typing import NamedTuple

import torch
from benchmarks.measure import spread
from torch import Tensor

from motet import EarlyStopping, FeatureTower, Model, fit, metrics, simulate
from motet.data.log import EventLog
from motet.tasks import Event

ROWS = 400_000
RATES = (0.001, 0.01)
CONFLICTS = (0.0, 1.0)  # purchases follow the taste of clicks, or its opposite
BOUGHT = "bought/log_loss"


class Setting(NamedTuple):
    """What is tried on the validation rows."""

    lr: float
    weight_decay: float
    clicks: float = 0.0  # weight of the task


SYSTEMS = {
    "purchases alone": (Setting(0.002, 0.3), Setting(0.005, 0.3), Setting(0.01, 1.0)),
    "clicks and purchases": (Setting(0.005, 0.3, 1.0), Setting(0.01, 1.0, 1.0), Setting(0.005, 0.3, 3.0)),
}


def train(log: EventLog, validation: EventLog, setting: Setting, seed: int) -> tuple[float, Model]:
    """A model and its loss on the validation rows."""
    torch.manual_seed(seed)
    model = Model(
        user=FeatureTower(log.users, dim=16),
        item=FeatureTower(log.items, dim=16),
        tasks=[Event("bought", hidden=(32,), product=True), Event("clicked", hidden=(32,), product=True)],
        weights={"clicked": setting.clicks},
    )
    history = fit(
        model,
        log,
        epochs=8,
        batch_size=4096,
        optimizer=partial(torch.optim.AdamW, lr=setting.lr, weight_decay=setting.weight_decay),
        seed=seed,
        validation=validation,
        early_stopping=EarlyStopping(BOUGHT, patience=2, lower_is_better=True),
        progress=False,
    )
    return min(history[f"validation/{BOUGHT}"].to_list()), model


def figures(probs: Tensor, truth: Tensor) -> list[float]:
    """AUC; as shares of the purchase rate, calibration error in 15 bins of equal size, and distance from the truth."""
    auc = metrics.AUC()
    auc.update(probs, truth)
    order = probs.argsort()
    bins = order.chunk(min(15, len(probs.unique())))
    gaps = [abs(float((probs[rows] - truth[rows]).sum())) for rows in bins]
    rate = float(truth.sum())
    return [auc.compute(), sum(gaps) / rate, float((probs - truth).abs().sum()) / rate]


def judged(rate: float, conflict: float, seed: int) -> dict[str, list[float]]:
    """The figures of both systems and of the truth itself on one shop."""
    shop = simulate.shop(2_000, 500, impressions=ROWS, purchase_rate=rate, conflict=conflict, seed=seed)
    first, second = int(0.7 * ROWS), int(0.8 * ROWS)
    log, validation, test = (shop.log.take(slice(*part)) for part in ((0, first), (first, second), (second, ROWS)))
    truth = shop.truths(second)["bought"].to_torch()
    found = {}
    for name, settings in SYSTEMS.items():
        _, model = min((train(log, validation, setting, seed) for setting in settings), key=lambda pair: pair[0])
        model.eval()
        with torch.no_grad():
            found[name] = figures(model.score(test.batch())["bought"], truth)
    alone, joint = found.values()
    found["what clicks change"] = [after - before for before, after in zip(alone, joint, strict=True)]
    found["constant"] = figures(torch.full_like(truth, float(log.columns["bought"].mean())), truth)
    found["the truth"] = figures(truth, truth)
    return found


def main(seeds: int = 3) -> None:
    print("| conflict | purchase rate | system | AUC | calibration error / rate | distance / rate |")
    print("|---|---|---|---|---|---|")
    for conflict, rate in product(CONFLICTS, RATES):
        found = [judged(rate, conflict, seed) for seed in range(1, seeds + 1)]
        for name in found[0]:
            columns = zip(*(figures[name] for figures in found), strict=True)
            cells = map(spread, columns)
            print(f"| {conflict:g} | {rate:.1%} | {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
