"""Conflict: the tasks' gradient norms at the vectors that they share, and the cosines between the gradients."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor


def task_gradients(losses: Mapping[str, Float[Tensor, ""]], shared: Sequence[Tensor]) -> dict[str, Float[Tensor, " n"]]:
    """Each task's gradient with respect to the shared vectors, flattened to one row; the graph is kept.

    Args:
        losses: By task, times their weights.
        shared: The vectors that the tasks share.

    Returns:
        By task.
    """
    return {name: torch.cat([part.flatten() for part in parts]) for name, parts in _parts(losses, shared).items()}


class Conflict:
    r"""Shares of the gradient and cosines between tasks, over the batches of an epoch.

    $$ share_t = \frac{n_t \|g_t\|}{\sum_s n_s \|g_s\|}, \qquad
       cosine_{st} = \frac{g_s \cdot g_t}{\|g_s\| \, \|g_t\|} $$

    A gradient is that of a task's weighted loss with respect to the vectors of the batch's distinct users and items. In
    most epochs only the first batch is measured, because it has labels of every task. If it does not, as in a `Mix` or
    with rare labels, so are the first batches with the remaining tasks and pairs of tasks. $g_t$ is measured on the
    first batch with rows that task t learns from, and $n_t$ is the number of such batches in the epoch. A cosine is
    measured on the first batch with both tasks. Tasks of two logs never share a batch: their cosine is over the users
    and items that occur in the first batch of each, and NaN if there are none.

    With the heads of the MovieLens tutorial, measuring a batch takes half as long as a step: a twentieth of an epoch of
    ten batches, and less than a hundredth of an epoch of a hundred.

    Args:
        tasks: The order of the tasks in the figures; by default that of their appearance.

    Source:
        Yu et al., "Gradient Surgery for Multi-Task Learning", NeurIPS 2020, definition 1.
    """

    def __init__(self, tasks: Iterable[str] = ()) -> None:
        self._batches = dict.fromkeys(tasks, 0)
        self._first: dict[str, _Pull] = {}
        self._together: dict[frozenset[str], float] = {}

    def update(
        self,
        losses: Mapping[str, Float[Tensor, ""]],
        shared: Sequence[Tensor],
        *,
        held: Collection[str] | None = None,
        rows: Sequence[Int[Tensor, " _"] | None] = (),
    ) -> None:
        """Measure a batch if it has a task, or a pair of tasks, that was not measured yet; its graph is kept.

        Args:
            losses: By task, times their weights.
            shared: The vectors that the tasks share: those of users, then those of items in one tensor or several.
            held: The tasks that learn from a row of the batch; by default all.
            rows: The entities of the vectors of each tensor in `shared`; None if its vectors belong to single rows of
                the batch. By default None for all.
        """
        names = [name for name in losses if held is None or name in held]
        self._batches |= {name: self._batches.get(name, 0) + 1 for name in names}
        pairs = list(combinations(names, 2))
        known = self._first.keys() >= set(names) and all(frozenset(pair) in self._together for pair in pairs)
        if known or not shared:
            return
        entities = tuple(rows) or (None,) * len(shared)
        pulls = {
            name: _Pull(tuple(parts), entities)
            for name, parts in _parts({name: losses[name] for name in names}, shared).items()
        }
        self._first = pulls | self._first
        found = {frozenset(pair): pulls[pair[0]].cosine(pulls[pair[1]]) for pair in pairs}
        self._together = found | self._together

    def figures(self) -> dict[str, float]:
        """The figures of the epoch.

        Returns:
            `"gradient/<task>"` for each task and `"cosine/<task>/<task>"` for each pair; a cosine below 0 is a
            conflict. Nothing for fewer than two tasks, or where nothing is shared.
        """
        if len(self._first) < 2:
            return {}
        names = [name for name in self._batches if name in self._first]
        pulls = {name: self._batches[name] * self._first[name].norm() for name in names}
        total = max(sum(pulls.values()), 1e-30)
        figures = {f"gradient/{name}": pull / total for name, pull in pulls.items()}
        for a, b in combinations(names, 2):
            found = self._together.get(frozenset((a, b)))
            figures[f"cosine/{a}/{b}"] = self._first[a].cosine_across(self._first[b]) if found is None else found
        return figures


class _Pull(NamedTuple):
    """A task's gradient on one batch: the parts of `shared`, with the entities that their lines belong to."""

    parts: tuple[Tensor, ...]
    rows: tuple[Tensor | None, ...]

    def norm(self) -> float:
        return float(self._flat().norm())

    def cosine(self, other: _Pull) -> float:
        """On one batch; 0 where a gradient is."""
        return _cosine(self._flat(), other._flat())

    def cosine_across(self, other: _Pull) -> float:
        """On two batches, over the users and items that both hold; NaN where there are none."""
        own, others = [], []
        for (rows, mine), (other_rows, theirs) in zip(self._sides(), other._sides(), strict=True):
            own.append(mine[torch.isin(rows, other_rows)].flatten())
            others.append(theirs[torch.isin(other_rows, rows)].flatten())
        return _cosine(torch.cat(own), torch.cat(others)) if any(map(len, own)) else math.nan

    def _flat(self) -> Tensor:
        return torch.cat([part.flatten() for part in self.parts])

    def _sides(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Of the users, which come first, and of the items: entities in ascending order, and their lines."""
        for side in (slice(1), slice(1, None)):
            held = [
                (rows, part) for rows, part in zip(self.rows[side], self.parts[side], strict=True) if rows is not None
            ]
            none = (self.parts[0].new_zeros(0, dtype=torch.int64), self.parts[0].new_zeros(0))
            rows, lines = (torch.cat(each) for each in zip(*held, strict=True)) if held else none
            order = rows.argsort()
            yield rows[order], lines[order]


def _cosine(a: Tensor, b: Tensor) -> float:
    return float(a.dot(b) / (a.norm() * b.norm()).clamp(min=1e-30))


def _parts(losses: Mapping[str, Tensor], shared: Sequence[Tensor]) -> dict[str, list[Tensor]]:
    """Each task's gradient with respect to each of the shared tensors, 0 where it does not reach."""
    trained = [vectors for vectors in shared if vectors.requires_grad]
    found = {}
    for name, loss in losses.items():
        gradients = iter(torch.autograd.grad(loss, trained, retain_graph=True, allow_unused=True) if trained else ())
        parts = [next(gradients) if at.requires_grad else None for at in shared]
        found[name] = [at.new_zeros(at.shape) if part is None else part for part, at in zip(parts, shared, strict=True)]
    return found
