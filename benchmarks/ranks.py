"""Ranks among a whole catalogue, beside bare matrix products of the same shapes: `python -m benchmarks.ranks`.

The bare products fill the same blocks of scores and do nothing with them: what is left of the time is counting.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from benchmarks.measure import median_seconds

from motet.metrics import Dot, Pairs, both_ranks, ranks
from motet.metrics.ranks import BLOCK

SEEN = 80_000  # pairs that `unseen` leaves out


@dataclass(frozen=True)
class Case:
    """Positives of users among items, drawn at random."""

    name: str
    users: int
    items: int
    positives: int
    unseen: bool = False

    def inputs(self, dim: int = 32) -> tuple[torch.Tensor, torch.Tensor, Pairs, Pairs | None]:
        """User vectors, item vectors, positives, and what is excluded."""
        generator = torch.Generator().manual_seed(0)

        def draw(count: int) -> Pairs:
            return Pairs(*(torch.randint(size, (count,), generator=generator) for size in (self.users, self.items)))

        user, item = (torch.randn(size, dim, generator=generator) for size in (self.users, self.items))
        positives = draw(self.positives)
        if self.positives == self.users:  # one each
            positives = Pairs(torch.arange(self.users), positives.candidates)
        return user, item, positives, draw(SEEN) if self.unseen else None


CASES = (
    Case("4,096 users x 100,000 items, one positive each", 4_096, 100_000, 4_096),
    Case("943 users x 1,682 items, 20,000 positives", 943, 1_682, 20_000),
    Case("the same, unseen", 943, 1_682, 20_000, unseen=True),
    Case("one user x 100,000 items, 5,000 positives", 1, 100_000, 5_000),
)


def bare(user: torch.Tensor, item: torch.Tensor) -> None:
    """Every score, a block at a time."""
    scores = torch.empty(BLOCK[0] * BLOCK[1])
    for rows in user.split(BLOCK[0]):
        for columns in item.split(BLOCK[1]):
            out = scores[: len(rows) * len(columns)].view(len(rows), len(columns))
            torch.mm(rows, columns.T, out=out)


if __name__ == "__main__":
    print("| case | ranks, ms | bare products, ms | fraction of bare speed |\n|---|---|---|---|")
    for case in CASES:
        user, item, positives, exclude = case.inputs()
        arguments: dict[str, Any] = {"candidates": case.items, "exclude": exclude}
        calls: dict[str, Callable[..., object]] = {case.name: ranks} | (
            {"the same under both protocols": both_ranks} if exclude else {}
        )
        floor = median_seconds(lambda: bare(user, item), repeats=7)  # noqa: B023
        for name, call in calls.items():
            ours = median_seconds(lambda: call(Dot(user, item), positives, **arguments), repeats=7)  # noqa: B023
            print(f"| {name} | {ours * 1e3:.1f} | {floor * 1e3:.1f} | {floor / ours:.2f} |", flush=True)
