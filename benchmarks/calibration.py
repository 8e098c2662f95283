"""What calibrating on validation rows does for probabilities of test rows: `python -m benchmarks.calibration [SEEDS]`.

The shop of `benchmarks.funnel` at a quarter of its rows: 70 % to train on, 10 % to calibrate on, 20 % as the test. One
model stops when its validation rows say so, one is trained for twelve epochs whatever they say. Errors are against
the true probabilities of the test rows, in 15 bins of equal size, as a share of the rate; beside a line through the log
odds stands isotonic regression on the same rows, which makes ties.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from statistics import mean

import torch
from benchmarks.measure import spread
from sklearn.isotonic import IsotonicRegression
from torch import Tensor

from motet import EarlyStopping, FeatureTower, Model, fit, metrics, simulate
from motet.calibration import calibrate
from motet.data.log import EventLog
from motet.tasks import Event, Funnel, Task

ROWS = 100_000
TASKS: dict[str, Callable[[], Task]] = {
    "clicked": partial(Event, "clicked", hidden=(32,), product=True),
    "bought": partial(Event, "bought", hidden=(32,), product=True, positive_weight=20.0),
    "funnel": partial(Funnel, "funnel", stages=("clicked", "carted", "bought"), hidden=(32,), product=True),
}


def trained(task: str, log: EventLog, validation: EventLog, seed: int, *, stop: bool) -> Model:
    """A model of one task."""
    torch.manual_seed(seed)
    user, item = (FeatureTower(side, dim=16) for side in (log.users, log.items))
    model = Model(user=user, item=item, tasks=[TASKS[task]()])
    watched = "funnel/bought/log_loss" if task == "funnel" else f"{task}/log_loss"
    fit(
        model,
        log,
        epochs=12,
        batch_size=4096,
        optimizer=partial(torch.optim.AdamW, lr=0.01, weight_decay=0.3),
        seed=seed,
        validation=validation if stop else None,
        early_stopping=EarlyStopping(watched, patience=2) if stop else None,
        progress=False,
    )
    return model.eval()


def figures(probs: Tensor, truth: Tensor) -> list[float]:
    """Calibration error in 15 bins of equal size, as a share of the rate; log loss; how many different scores."""
    loss = metrics.LogLoss()
    loss.update(probs.clamp(1e-7, 1 - 1e-7), truth)
    gap = sum(abs(float((probs[rows] - truth[rows]).sum())) for rows in probs.argsort().chunk(15))
    return [gap / float(truth.sum()), loss.compute(), float(len(probs.unique()))]


def isotonic(model: Model, task: str, label: str, validation: EventLog, probs: Tensor) -> Tensor:
    """What isotonic regression on the validation rows makes of the scores of test rows."""
    batch = validation.batch()
    fitted = IsotonicRegression(out_of_bounds="clip").fit(model.score(batch)[task].numpy(), batch[label].numpy())
    return torch.from_numpy(fitted.predict(probs.numpy())).float()


@torch.no_grad()
def judged(seed: int) -> dict[str, list[float]]:
    """The figures of all systems on one shop."""
    shop = simulate.shop(2_000, 500, impressions=ROWS, seed=seed)
    first, second = int(0.7 * ROWS), int(0.8 * ROWS)
    log, validation, test = (shop.log.take(slice(*part)) for part in ((0, first), (first, second), (second, ROWS)))
    found = {}
    for task in TASKS:
        label = "bought" if task == "funnel" else task
        truth = shop.truths(second)[label].to_torch().float()
        for stop in (True, False):
            with torch.enable_grad():
                model = trained(task, log, validation, seed, stop=stop)
            name = f"{task} | {'stopped' if stop else '12 epochs'}"
            plain = model.score(test.batch())[task]
            found[f"{name} | as trained"] = figures(plain, truth)
            found[f"{name} | isotonic"] = figures(isotonic(model, task, label, validation, plain), truth)
            calibrate(model, validation)
            found[f"{name} | `calibrate`"] = figures(model.score(test.batch())[task], truth)
    return found


def main(seeds: int) -> None:
    """Print mean and standard deviation over the seeds."""
    all_of_them = [judged(seed) for seed in range(seeds)]
    print("| task | training | probabilities | calibration error / rate | log loss | different scores |")
    print("|---|---|---|---|---|---|")
    for name in all_of_them[0]:
        error, loss, scores = zip(*(each[name] for each in all_of_them), strict=True)
        print(f"| {name} | {spread(error)} | {mean(loss):.5f} | {mean(scores):,.0f} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
