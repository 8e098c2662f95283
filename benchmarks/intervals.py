"""Whether intervals hold the truth as often as they say: `python -m benchmarks.intervals [DRAWS [USERS]]`.

Simulated shops of 10,000 users: one for clicks, one where three in ten of the items shown are rated. A model is fitted
once, on the first 70 % of what happens there; its figures on the rest of all users are the truth. Then some of the
users are drawn, none of them twice, again and again, and the 95 % intervals that their rows alone give are held against
it. Each row was scored once: the rows of some users are a slice of the evidence.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from motet import FeatureTower, Model, evaluate, fit, simulate
from motet.data.log import EventLog
from motet.evaluation import Report
from motet.tasks import Event, Rating, Retrieval, Task

USERS, ITEMS, ROWS = 10_000, 100, 300_000


@dataclass(frozen=True)
class Study:
    """A shop, what is learned there, the figures whose intervals are judged, and what some are compared with."""

    tasks: Callable[[], Sequence[Task]]
    keys: Sequence[str]
    paired: Mapping[str, str] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)

    def report(self) -> tuple[torch.Tensor, Report]:
        """The users of the test rows, and what a model says about all of them."""
        shop = simulate.shop(USERS, ITEMS, impressions=ROWS, seed=1, **self.rates)  # type: ignore[arg-type]
        train, test = shop.log.take(slice(0, int(0.7 * ROWS))), shop.log.take(slice(int(0.7 * ROWS), ROWS))
        return test.batch().users, evaluate(self.fitted(train), test, train=train, protocols=["all items"])

    def fitted(self, train: EventLog) -> Model:
        """A small model."""
        torch.manual_seed(0)
        user, item = FeatureTower(train.users, dim=8), FeatureTower(train.items, dim=8)
        model = Model(user=user, item=item, tasks=self.tasks())
        fit(model, train, epochs=2, batch_size=4096, progress=False)
        return model

    def intervals(self, report: Report, chosen: torch.Tensor, seed: int) -> dict[str, tuple[float, float]]:
        """What the chosen users say: the interval of each figure, and of how far the model is above a rule."""
        mine = of_users(report, chosen)
        found: dict[str, tuple[float, float]] = {**mine.intervals(seed=seed)}
        for key, rule in self.paired.items():
            low, high = mine.versus(of_users(report.beside[rule], chosen), key, seed=seed)[1:]
            found[f"{key} above {rule}"] = low, high
        return found


STUDIES = (
    Study(
        lambda: [Event("clicked"), Retrieval(positives="clicked == 1")],
        keys=(
            *(
                f"retrieval/all items/{metric}"
                for metric in ("hit_rate@1", "hit_rate@10", "recall@10", "ndcg@10", "mrr")
            ),
            *(f"clicked/{metric}" for metric in ("log_loss", "auc", "ece")),
        ),
        paired={
            **{f"retrieval/all items/{metric}": "popularity" for metric in ("hit_rate@10", "recall@10", "ndcg@10")},
            **{f"clicked/{metric}": "global mean" for metric in ("log_loss", "ece")},
        },
    ),
    Study(
        lambda: [Rating()],
        keys=("rating/rmse", "rating/mae"),
        paired={"rating/rmse": "global mean"},
        rates={"click_rate": 0.5, "purchase_rate": 0.3, "review_rate": 1.0},
    ),
)


def of_users(report: Report, chosen: torch.Tensor) -> Report:
    """A report on some of the users."""
    return Report.of([part.on(chosen) for part in report.evidence])


def judge(study: Study, draws: int, sample: int) -> None:
    """Print a line of a table for each figure."""
    users, report = study.report()
    truth = {key: report[key] for key in study.keys}
    truth |= {f"{key} above {rule}": report[key] - report.beside[rule][key] for key, rule in study.paired.items()}
    held, width = dict.fromkeys(truth, 0), dict.fromkeys(truth, 0.0)
    generator = torch.Generator().manual_seed(7)
    for number in range(draws):
        drawn = torch.zeros(USERS + 1, dtype=torch.bool)
        drawn[1 + torch.randperm(USERS, generator=generator)[:sample]] = True
        found = study.intervals(report, drawn[users], number)
        for key, true in truth.items():
            low, high = found[key]
            held[key] += low <= true <= high
            width[key] += (high - low) / draws
        if number % 100 == 99:
            print(f"after {number + 1} draws: {held}", file=sys.stderr, flush=True)
    for key, true in truth.items():
        print(f"| `{key}` | {true:.4f} | {held[key] / draws:.1%} | {width[key]:.4f} |", flush=True)


def main(draws: int = 500, sample: int = 200) -> None:
    started = time.process_time()
    print("| figure | truth | held by | mean width |\n|---|---|---|---|", flush=True)
    for study in STUDIES:
        judge(study, draws, sample)
    print(f"\n{draws} draws of {sample} of {USERS:,} users; {(time.process_time() - started) / draws:.2f} s a draw.")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
