"""Who is right about purchases over all impressions: `python -m benchmarks.funnel [SEEDS]`.

A simulated shop, its first 70 % for training, the next 10 % to choose between settings and when to stop, the last 20 %
as the test. Predictions are compared with the true probabilities of the test rows, not with what was drawn:

- `Funnel`: click, cart, purchase, learned from every impression
- `Event, clicked rows`: P(buy | click) learned from the clicked rows, and said of every impression
- `... times P(click)`: the same model's P(buy | click), times the P(click) that it learns from every impression
- `Event, all rows`: P(buy) learned from every impression, without the stages between
"""

from __future__ import annotations

import sys
from functools import partial

import torch
from benchmarks.measure import spread
from torch import Tensor

from motet import EarlyStopping, FeatureTower, Model, fit, metrics, simulate
from motet.data.log import EventLog
from motet.tasks import Event, Funnel, Task

ROWS = 400_000
SETTINGS = ((0.005, 0.3), (0.01, 1.0))  # rate and weight decay


def tasks(system: str) -> list[Task]:
    """What a system is trained on; the first task is the one that is judged."""
    if system == "Funnel":
        return [Funnel("bought", stages=("clicked", "carted", "bought"), hidden=(32,), product=True)]
    if system == "Event, all rows":
        return [Event("bought", hidden=(32,), product=True)]
    clicked = Event("clicked", hidden=(32,), product=True)
    return [Event("bought", where="clicked == 1", hidden=(32,), product=True), clicked]


def best(system: str, log: EventLog, validation: EventLog, seed: int) -> Model:
    """The model of the setting that is best on the validation rows."""
    found = []
    watched = "bought/bought/log_loss" if system == "Funnel" else "bought/log_loss"
    for lr, weight_decay in SETTINGS:
        torch.manual_seed(seed)
        user, item = (FeatureTower(side, dim=16) for side in (log.users, log.items))
        model = Model(user=user, item=item, tasks=tasks(system))
        history = fit(
            model,
            log,
            epochs=8,
            batch_size=4096,
            optimizer=partial(torch.optim.AdamW, lr=lr, weight_decay=weight_decay),
            seed=seed,
            validation=validation,
            early_stopping=EarlyStopping(watched, patience=2),
            progress=False,
        )
        found.append((min(history[f"validation/{watched}"].to_list()), model.eval()))
    return min(found, key=lambda pair: pair[0])[1]


def figures(probs: Tensor, truth: Tensor) -> list[float]:
    """Mean as a share of the true mean; calibration error in 15 bins of equal size, as a share of it; AUC; log loss."""
    auc, loss = metrics.AUC(), metrics.LogLoss()
    for metric in (auc, loss):
        metric.update(probs, truth)
    bins = probs.argsort().chunk(15)
    gap = sum(abs(float((probs[rows] - truth[rows]).sum())) for rows in bins)
    return [float(probs.sum() / truth.sum()), gap / float(truth.sum()), auc.compute(), loss.compute()]


@torch.no_grad()
def judged(seed: int) -> dict[str, list[float]]:
    """The figures of all systems on one shop."""
    shop = simulate.shop(2_000, 500, impressions=ROWS, seed=seed)
    first, second = int(0.7 * ROWS), int(0.8 * ROWS)
    log, validation, test = (shop.log.take(slice(*part)) for part in ((0, first), (first, second), (second, ROWS)))
    truth = shop.truths(second)["bought"].to_torch().float()
    found = {}
    for system in ("Funnel", "Event, clicked rows", "Event, all rows"):
        with torch.enable_grad():
            model = best(system, log, validation, seed)
        scores = model.score(test.batch())
        found[system] = figures(scores["bought"], truth)
        if "clicked" in scores:
            found["... times P(click)"] = figures(scores["bought"] * scores["clicked"], truth)
    found["constant"] = figures(torch.full_like(truth, float(log.columns["bought"].mean())), truth)
    found["the truth"] = figures(truth, truth)
    return found


def main(seeds: int = 3) -> None:
    found = [judged(seed) for seed in range(1, seeds + 1)]
    print("| system | mean / true mean | calibration error / rate | AUC | log loss |")
    print("|---|---|---|---|---|")
    for name in found[0]:
        columns = zip(*(figures[name] for figures in found), strict=True)
        print(f"| {name} | {' | '.join(spread(column, '.4f') for column in columns)} |", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
