"""Losses: what a model computes for one batch, and a balancer turns into gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor


class Losses(dict[str, Tensor]):
    """The loss of each task in one batch, with the vectors that the tasks share.

    Args:
        losses: One scalar per task.
        shared: The tower outputs that the tasks read, each distinct vector once: users, items, and items that a task
            sampled outside the batch. The gradients with respect to them show how strongly each task pulls, and in
            which direction.
        rows: For each tensor in `shared`, the user or item rows of its vectors; None if they belong to single batch
            rows.
    """

    def __init__(
        self,
        losses: Mapping[str, Tensor] | None = None,
        *,
        shared: Sequence[Tensor] = (),
        rows: Sequence[Tensor | None] = (),
    ) -> None:
        super().__init__(losses or {})
        self.shared = tuple(shared)
        self.rows = tuple(rows)
