"""Index: finds, for a query vector, the rows with the largest dot products; and what it answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motet.arguments import Checked

Rows = Int[Tensor, " _"] | Sequence[Int[Tensor, " _"]]
"""Rows of an index: one tensor for all queries alike, or a sequence of one tensor for each query."""


class Hits(NamedTuple):
    """The best rows of an index for each query, best first; row -1 and score -inf fill up shorter answers."""

    rows: Int[Tensor, "n found"]
    scores: Float[Tensor, "n found"]


class Index(Checked, ABC):
    """Vectors that can be searched by dot product."""

    @abstractmethod
    def __len__(self) -> int:
        """How many vectors the index holds, removed ones included: the number of the next row."""

    @abstractmethod
    def search(
        self, queries: Float[Tensor, "n *heads width"], k: int, *, exclude: Rows | None = None, only: Rows | None = None
    ) -> Hits:
        r"""The k best allowed rows for each query.

        $$ s(q, c) = \max_h \, q_h \cdot c $$

        Args:
            queries: One vector a query, or several (heads), of which the best counts.
            k: How many rows to find.
            exclude: Rows that must not be found.
            only: Rows that may be found; all of them where not given.

        Returns:
            min(k, allowed) rows for each query, where allowed counts what `only` and `exclude` leave. Equal scores are
            ordered by row, the lowest first. The answer is as wide as its longest line.

        Raises:
            ConfigError: If k is below 1, the width of the queries is not that of the index, a filter names a row that
                the index does not hold, or there is not one filter a query.
        """

    @abstractmethod
    def add(self, vectors: Float[Tensor, "more width"]) -> None:
        """Hold more rows, behind those there are. All vectors are copied: add many at once.

        Args:
            vectors: One a row.

        Raises:
            ConfigError: If their width is not that of the index.
            DataError: If one is not finite.
        """

    @abstractmethod
    def remove(self, rows: Int[Tensor, " n"]) -> None:
        """Never find these rows again; the others keep their numbers.

        Args:
            rows: Those that the index holds; removed ones may be named again.

        Raises:
            ConfigError: If one is not a row of the index.
        """


@dataclass(frozen=True)
class TopK:
    """What is recommended: the best first, for one user (1-D) or for many (2-D).

    Where users of a 2-D answer have different numbers of allowed items, the shorter lines are filled up at the end:
    id `None`, score minus infinity, task scores NaN. `each` gives the lines without the filling, and so does printing.

    Attributes:
        ids: The caller's ids, strings or ints; shape [k] or [users, k].
        scores: What the ids are ordered by; higher is better; shape of `ids`.
        tasks: Each task's score in its own unit, by task name; shape of `ids`.
        basis: The strongest evidence behind each answer: `"known"`, events in the training log, or features there that
            the user tower reads; `"history"` or `"features"`, those of the request; `"popularity"` if nothing is
            known. Shape [] or [users].
    """

    ids: npt.NDArray[np.object_]
    scores: Float[Tensor, "*users k"]
    tasks: Mapping[str, Float[Tensor, "*users k"]] = field(default_factory=dict)
    basis: npt.NDArray[np.object_] = field(default_factory=lambda: np.array("known", dtype=object))

    @property
    def known(self) -> Bool[Tensor, " *users"]:
        """Whether the user is one the model knows; shape [] or [users]."""
        return torch.from_numpy(np.asarray(self.basis == "known"))

    def each(self) -> Iterator[TopK]:
        """One answer for each user, each with exactly as many ids as were allowed.

        Yields:
            1-D answers, in the order of the users.

        Example:
            >>> ids = np.array([["a", "b"], ["c", None]], dtype=object)
            >>> scores = torch.tensor([[2.0, 1.0], [3.0, float("-inf")]])
            >>> [list(top.ids) for top in TopK(ids, scores).each()]
            [['a', 'b'], ['c']]
        """
        if self.ids.ndim == 1:
            yield self
            return
        for user, ids in enumerate(self.ids):
            size = sum(id is not None for id in ids)
            tasks = {name: scores[user, :size] for name, scores in self.tasks.items()}
            basis = self.basis[user] if self.basis.ndim else self.basis
            yield TopK(ids[:size], self.scores[user, :size], tasks, np.array(basis, dtype=object))

    def columns(self) -> dict[str, Float[Tensor, "*users k"]]:
        """The scores and those of each task as the columns of a table.

        Returns:
            By name, `score` first; of a model with a task of that name `fused score`. Each has the shape of `ids`.

        Example:
            >>> top = TopK(np.array(["a"], dtype=object), torch.tensor([1.5]), {"score": torch.tensor([7.0])})
            >>> top.columns()
            {'fused score': tensor([1.5000]), 'score': tensor([7.])}
        """
        return {"fused score" if "score" in self.tasks else "score": self.scores, **self.tasks}

    def __str__(self) -> str:
        return "\n\n".join(top._table() for top in self.each())

    def _table(self) -> str:
        """One answer as aligned columns: id, fused score, each task's score."""
        columns = [["id", *map(str, self.ids)]]
        for name, scores in self.columns().items():
            columns.append([name, *(f"{score:.3f}" for score in scores.tolist())])
        widths = [max(map(len, column)) for column in columns]
        lines = [
            [cell.rjust(width) for cell, width in zip(row, widths, strict=True)] for row in zip(*columns, strict=True)
        ]
        return "\n".join("  ".join(line) for line in lines)
