"""Ranker: retrieve, filter, rank and fuse, by rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.errors import ConfigError
from motet.fusion import fuse
from motet.index import ApproximateIndex, ExactIndex, Hits, Index
from motet.index.exact import best
from motet.scorer import PAIRS, Askers, Scorer


@dataclass(frozen=True)
class Request:
    """What is asked for, whoever the users are.

    Attributes:
        k: How many items.
        weights: What each task counts for.
        candidates: How many items are retrieved for the tasks to rank.
        exclude: Item rows that must not come.
        only: Item rows that may come; all where None.
        exclude_seen: Whether the items a user had must not come.
        preference: The weighting the model answers by, as `Model.prefer` tells it.
    """

    k: int
    weights: Mapping[str, float]
    candidates: int
    exclude: Int[Tensor, " excluded"]
    only: Int[Tensor, " allowed"] | None
    exclude_seen: bool
    preference: Float[Tensor, " tasks"] | None = None


class Ranking(NamedTuple):
    """The best items of each user: row 0, minus infinity and NaN fill up lines where fewer are allowed."""

    rows: Int[Tensor, "users k"]
    scores: Float[Tensor, "users k"]
    tasks: dict[str, Float[Tensor, "users k"]]


class Ranker:
    """Answers requests with what a scorer says.

    Args:
        scorer: Of the trained model.
        index: Of `scorer.candidates()` less row 0; an exact one where not given.

    Raises:
        ConfigError: If the index is not of these vectors.
    """

    def __init__(self, scorer: Scorer, index: ExactIndex | ApproximateIndex | None = None) -> None:
        self.scorer = scorer
        # Indexes hold no row 0, because the unknown item is not recommended: their row r is item row r + 1.
        counts = scorer.counts[1:, None].float().to(scorer.device)
        self._by_count = ExactIndex(counts)
        # Without a task that ranks the catalogue all items are equal, and the index returns every allowed one.
        vectors = scorer.candidates()[1:] if scorer.corpus else torch.zeros_like(counts)
        self.index = ExactIndex(vectors) if index is None else _belonging(index, vectors)

    def rank(self, askers: Askers, request: Request) -> Ranking:
        """Answer a request for many users, block by block.

        Args:
            askers: The users.
            request: What is asked for.

        Returns:
            One line a user, as wide as the longest.
        """
        k, tasks = request.k, self.scorer.model.tasks
        rows = torch.zeros(len(askers), k, dtype=torch.int64)
        scores = torch.full((len(askers), k), -math.inf)
        parts = {name: torch.full((len(askers), k), math.nan) for name in tasks}
        nobody = torch.from_numpy(askers.basis == "popularity")
        for places, answer in ((~nobody, self._personal), (nobody, self._popular)):
            for block in places.nonzero()[:, 0].split(max(1, PAIRS // self._size(request))):
                if not len(block):
                    continue
                found = answer(askers.take(block), request)
                width = found.rows.shape[1]
                rows[block, :width], scores[block, :width] = found.rows.cpu(), found.scores.cpu()
                for name, part in found.tasks.items():
                    parts[name][block, :width] = part.cpu()
        width = int((rows > 0).sum(1).max()) if len(askers) else 0
        return Ranking(rows[:, :width], scores[:, :width], {name: part[:, :width] for name, part in parts.items()})

    def _personal(self, askers: Askers, request: Request) -> Ranking:
        """Candidates in the order of what the tasks say of them together."""
        queries = self.scorer.queries(askers, request.preference) if self.scorer.corpus else self._ones(askers)
        hits = self._search(self.index, queries, self._size(request), askers, request)
        tasks = self.scorer.scores(askers, hits.rows + 1, request.preference)
        return _cut(hits.rows + 1, fuse(tasks, request.weights, hits.rows >= 0), tasks, request.k)

    def _popular(self, askers: Askers, request: Request) -> Ranking:
        """What most users had, for those of whom nothing is known."""
        hits = self._search(self._by_count, self._ones(askers), request.k, askers, request)
        tasks = self.scorer.scores(askers, hits.rows + 1, request.preference)
        return _cut(hits.rows + 1, hits.scores, tasks, request.k)

    def _search(self, index: Index, queries: Tensor, size: int, askers: Askers, request: Request) -> Hits:
        exclude = request.exclude - 1
        return index.search(
            queries,
            size,
            exclude=[torch.cat([exclude, line - 1]) for line in askers.seen] if request.exclude_seen else exclude,
            only=None if request.only is None else request.only - 1,
        )

    def _size(self, request: Request) -> int:
        return max(request.candidates, request.k) if self.scorer.corpus else len(self.index)

    def _ones(self, askers: Askers) -> Tensor:
        return torch.ones(len(askers), 1, device=self.scorer.device)


def _belonging(
    index: ExactIndex | ApproximateIndex, vectors: Float[Tensor, "rows width"]
) -> ExactIndex | ApproximateIndex:
    """Refuse an index of other vectors; another processor may round the same ones differently."""
    held = index.vectors
    near = held.shape == vectors.shape and torch.allclose(held.to(vectors), vectors, rtol=1e-3, atol=1e-4)
    if not near:
        raise ConfigError(
            f"the index holds {len(held):,} vectors {held.shape[1]} wide that are not those of the model's "
            f"{len(vectors):,} items; make it anew: motet index MODEL"
        )
    return index


def _cut(rows: Tensor, scores: Tensor, tasks: Mapping[str, Tensor], k: int) -> Ranking:
    """The k best candidates of each line."""
    top, columns = best(scores, k)
    missing = top == -math.inf
    parts = {name: part.gather(1, columns).masked_fill(missing, math.nan) for name, part in tasks.items()}
    return Ranking(rows.gather(1, columns).masked_fill(missing, 0), top, parts)
