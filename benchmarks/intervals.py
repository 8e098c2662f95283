"""Whether intervals hold the truth as often as they say: `python -m benchmarks.intervals [DRAWS [USERS]]`.

A simulated shop of 10,000 users. A model is fitted once, on the first 70 % of what happens there; its figures on the
rest of all users are the truth. Then some of the users are drawn, again and again, and the 95 % intervals that their
rows alone give are held against it. Each row was scored once: the rows of some users are a slice of the evidence.
"""

from __future__ import annotations

import sys
import time

import torch

from motet import FeatureTower, Model, evaluate, fit, simulate
from motet.data.log import EventLog
from motet.evaluation import Report
from motet.tasks import Event, Retrieval

USERS, ITEMS, ROWS = 10_000, 100, 300_000
KEYS = (
    *(f"retrieval/all items/{metric}" for metric in ("hit_rate@10", "recall@10", "ndcg@10", "mrr")),
    *(f"clicked/{metric}" for metric in ("log_loss", "auc", "ece")),
)
PAIRED = {
    "retrieval/all items/hit_rate@10": "popularity",
    "retrieval/all items/ndcg@10": "popularity",
}


def fitted(train: EventLog) -> Model:
    """Clicks as probabilities, and as what to retrieve."""
    torch.manual_seed(0)
    model = Model(
        user=FeatureTower(train.users, dim=8),
        item=FeatureTower(train.items, dim=8),
        tasks=[Event("clicked"), Retrieval(positives="clicked == 1")],
    )
    fit(model, train, epochs=2, batch_size=4096, progress=False)
    return model


def of_users(report: Report, chosen: torch.Tensor) -> Report:
    """A report on some of the users."""
    return Report.of([part.of(chosen) for part in report.evidence])


def intervals(report: Report, chosen: torch.Tensor, seed: int) -> dict[str, tuple[float, float]]:
    """What the chosen users say: the interval of each figure, and of how far the model is above popularity."""
    mine = of_users(report, chosen)
    found: dict[str, tuple[float, float]] = {**mine.intervals(seed=seed)}
    for key, rule in PAIRED.items():
        low, high = mine.versus(of_users(report.beside[rule], chosen), key, seed=seed)[1:]
        found[f"{key} above {rule}"] = low, high
    return found


def main(draws: int = 500, sample: int = 400) -> None:
    shop = simulate.shop(USERS, ITEMS, impressions=ROWS, seed=1)
    train, test = shop.log.take(slice(0, int(0.7 * ROWS))), shop.log.take(slice(int(0.7 * ROWS), ROWS))
    report = evaluate(fitted(train), test, train=train, protocols=["all items"])
    truth = {key: report[key] for key in KEYS}
    truth |= {f"{key} above {rule}": report[key] - report.beside[rule][key] for key, rule in PAIRED.items()}
    held, width = dict.fromkeys(truth, 0), dict.fromkeys(truth, 0.0)
    generator = torch.Generator().manual_seed(7)
    users, started = test.batch().users, time.process_time()
    for number in range(draws):
        drawn = torch.zeros(USERS + 1, dtype=torch.bool)
        drawn[1 + torch.randperm(USERS, generator=generator)[:sample]] = True
        found = intervals(report, drawn[users], number)
        for key, true in truth.items():
            low, high = found[key]
            held[key] += low <= true <= high
            width[key] += (high - low) / draws
        if number % 100 == 99:
            print(f"after {number + 1} draws: {held}", file=sys.stderr, flush=True)
    print("| figure | truth | held by | mean width |")
    print("|---|---|---|---|")
    for key, true in truth.items():
        print(f"| `{key}` | {true:.4f} | {held[key] / draws:.1%} | {width[key]:.4f} |")
    print(f"\n{draws} draws of {sample} of {USERS:,} users; {(time.process_time() - started) / draws:.2f} s a draw.")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
