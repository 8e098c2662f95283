"""Ranker: retrieve, filter, rank and fuse, by rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.artifact.saved import INDEX
from motet.fusion import fuse
from motet.index import ApproximateIndex, ExactIndex
from motet.index.base import Rows
from motet.index.best import best
from motet.retrievers import Found, Retriever
from motet.retrievers.stages import Stage
from motet.scorer import PAIRS, Askers, OtherVectorsError, Scorer, close
from motet.tasks import CorpusTask

FIRST = ""  # a source: the scorer's corpus task, or every item where there is none


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
        stages: What finds candidates, as `retrievers.stages` checked it: those of an earlier stage come first in the
            answer. One stage of the scorer's corpus task, where there is none.

    Raises:
        ConfigError: If the index is not of these vectors.
    """

    def __init__(
        self, scorer: Scorer, index: ExactIndex | ApproximateIndex | None = None, *, stages: Sequence[Stage] = ()
    ) -> None:
        self.scorer = scorer
        self.stages: Sequence[Stage] = stages or ((FIRST,),)
        # Indexes hold no row 0, because the unknown item is not recommended: their row r is item row r + 1.
        counts = scorer.counts[1:, None].to(scorer.device)
        self._by_count = ExactIndex(counts)
        # Without a task that ranks the catalogue all items are equal, and the index returns every allowed one.
        vectors = scorer.candidates()[1:] if scorer.corpus else torch.zeros_like(counts)
        self.index = ExactIndex(vectors) if index is None else _belonging(index, vectors)
        named = {source for stage in self.stages for source in stage if isinstance(source, str) and source != FIRST}
        self._others = {
            name: ExactIndex(scorer.candidates(task)[1:])
            for name, task in scorer.model.tasks.items()
            if name in named and isinstance(task, CorpusTask) and task is not scorer.corpus
        }

    @property
    def retrievers(self) -> list[Retriever]:
        """The sources that are no tasks."""
        return [source for stage in self.stages for source in stage if isinstance(source, Retriever)]

    def rank(self, askers: Askers, request: Request) -> Ranking:
        """Answer a request for many users, block by block.

        Args:
            askers: The users.
            request: What is asked for.

        Returns:
            One line a user, as wide as the longest.
        """
        nobody = torch.from_numpy(askers.basis == "popularity")
        blocks = [
            (answer, block)
            for answer, places in ((self._personal, ~nobody), (self._popular, nobody))
            for block in places.nonzero()[:, 0].split(max(1, PAIRS // self._size(request)))
            if len(block)
        ]
        if len(blocks) == 1:
            return _trimmed(blocks[0][0](askers, request))
        rows = torch.zeros(len(askers), request.k, dtype=torch.int64)
        scores = torch.full(rows.shape, -math.inf)
        parts = {name: torch.full(rows.shape, math.nan) for name in self.scorer.model.tasks}
        for answer, block in blocks:
            found = answer(askers.take(block), request)
            width = found.rows.shape[1]
            rows[block, :width], scores[block, :width] = found.rows.cpu(), found.scores.cpu()
            for name, part in found.tasks.items():
                parts[name][block, :width] = part.cpu()
        return _trimmed(Ranking(rows, scores, parts))

    def _personal(self, askers: Askers, request: Request) -> Ranking:
        """Candidates, stage by stage."""
        barred = self._barred(askers, request)
        if len(self.stages) == 1:
            return self._stage(self.stages[0], askers, request, barred)
        parts: list[Ranking] = []
        lines = [barred] * len(askers) if isinstance(barred, Tensor) else barred
        for stage in self.stages:
            parts.append(self._stage(stage, askers, request, lines))
            found = [line[line > 0] - 1 for line in parts[-1].rows.cpu()]
            lines = [torch.cat(both) for both in zip(lines, found, strict=True)]
        return _one_after_another(parts, request.k)

    def _stage(self, stage: Stage, askers: Askers, request: Request, barred: Rows) -> Ranking:
        """The best candidates of a stage, by its own scores, and by what the tasks say of them."""
        found = _together([self._find(source, askers, request, barred) for source in stage])
        tasks = self.scorer.scores(askers, found.rows, request.preference)
        by = stage[0].by if len(stage) == 1 and isinstance(stage[0], Retriever) else None
        fused = fuse(tasks, request.weights if by is None else {by: 1.0}, found.rows > 0)
        if found.scores is None:
            return _cut(found.rows, fused, tasks, request.k)
        # Among candidates that are equal by the source's own scores the first comes first.
        order = fused.argsort(dim=1, descending=True, stable=True)
        own = found.scores.masked_fill(found.rows == 0, -math.inf).gather(1, order)
        tasks = {name: part.gather(1, order) for name, part in tasks.items()}
        return _cut(found.rows.gather(1, order), own, tasks, request.k)

    def _find(self, source: str | Retriever, askers: Askers, request: Request, barred: Rows) -> Found:
        """What a source finds that is allowed."""
        size, only, device = self._size(request), request.only, self.scorer.device
        if isinstance(source, str):
            task = self.scorer.model.tasks.get(source)
            index = self._others.get(source, self.index)
            corpus = task if isinstance(task, CorpusTask) else self.scorer.corpus
            queries = self.scorer.queries(askers, request.preference, task=corpus) if corpus else self._ones(askers)
            return Found(index.search(queries, size, exclude=barred, only=None if only is None else only - 1).rows + 1)
        rows, scores = source.find(askers, size)
        rows = rows.to(device)
        banned = _among(rows - 1, barred)
        if only is not None:
            banned |= ~torch.isin(rows, only.to(device))
        return Found(rows.masked_fill(banned, 0), None if scores is None else scores.to(device))

    def _popular(self, askers: Askers, request: Request) -> Ranking:
        """What most users had, for those of whom nothing is known."""
        only = None if request.only is None else request.only - 1
        barred = self._barred(askers, request)
        hits = self._by_count.search(self._ones(askers), request.k, exclude=barred, only=only)
        tasks = self.scorer.scores(askers, hits.rows + 1, request.preference)
        return _cut(hits.rows + 1, hits.scores, tasks, request.k)

    def _barred(self, askers: Askers, request: Request) -> Rows:
        """Rows of indexes that must not come."""
        exclude = request.exclude - 1
        return [torch.cat([exclude, line - 1]) for line in askers.seen] if request.exclude_seen else exclude

    def _size(self, request: Request) -> int:
        return max(request.candidates, request.k) if self.scorer.corpus else len(self.index)

    def _ones(self, askers: Askers) -> Tensor:
        return torch.ones(len(askers), 1, device=self.scorer.device)


def _belonging(
    index: ExactIndex | ApproximateIndex, vectors: Float[Tensor, "rows width"]
) -> ExactIndex | ApproximateIndex:
    """Refuse an index of other vectors."""
    held = index.vectors
    blocks = zip(held.split(PAIRS), vectors.split(PAIRS), strict=False)  # a comparison holds copies of what it compares
    same = held.shape == vectors.shape and held.data_ptr() == vectors.data_ptr()
    if not same and (held.shape != vectors.shape or not all(close(mine, theirs) for mine, theirs in blocks)):
        raise OtherVectorsError(
            f"the index holds {len(held):,} vectors {held.shape[1]} wide that are not those of the model's "
            f"{len(vectors):,} items; make it anew: motet index MODEL",
            file=INDEX,
        )
    return index


def _among(rows: Tensor, lines: Rows) -> Tensor:
    """Which rows are named: for all users, or in the line of their own."""
    if isinstance(lines, Tensor):
        return torch.isin(rows, lines.to(rows.device))
    who = torch.arange(len(lines)).repeat_interleave(torch.tensor([len(line) for line in lines]).long())
    named = torch.cat([*lines]) if len(lines) else who
    size = int(max(rows.max(), named.max())) + 1 if rows.numel() and len(named) else 1
    keys = torch.arange(len(rows), device=rows.device)[:, None] * size + rows
    return torch.isin(keys, (who * size + named).to(rows.device))


def _together(finds: Sequence[Found]) -> Found:
    """Several sources as one, each item once."""
    if len(finds) == 1:
        return finds[0]
    rows = torch.cat([found.rows for found in finds], 1).sort(1).values
    twice = torch.zeros_like(rows, dtype=torch.bool)
    twice[:, 1:] = rows[:, 1:] == rows[:, :-1]
    return Found(rows.masked_fill(twice, 0))


def _one_after_another(parts: Sequence[Ranking], k: int) -> Ranking:
    """Stages in their order: the whole part of a score says how many follow, the rest what the stage says."""
    scores = [
        ((part.scores / (1 + part.scores.abs()) + 1) / 2 + after).masked_fill(part.rows == 0, -math.inf)
        for after, part in zip(reversed(range(len(parts))), parts, strict=True)
    ]
    tasks = {name: torch.cat([part.tasks[name] for part in parts], 1) for name in parts[0].tasks}
    return _cut(torch.cat([part.rows for part in parts], 1), torch.cat(scores, 1), tasks, k)


def _trimmed(ranking: Ranking) -> Ranking:
    """On the processor, without the columns that no line fills."""
    rows = ranking.rows.cpu()
    width = int((rows > 0).sum(1).max()) if len(rows) else 0
    tasks = {name: part[:, :width].cpu() for name, part in ranking.tasks.items()}
    return Ranking(rows[:, :width], ranking.scores[:, :width].cpu(), tasks)


def _cut(rows: Tensor, scores: Tensor, tasks: Mapping[str, Tensor], k: int) -> Ranking:
    """The k best candidates of each line."""
    top, columns = best(scores, k)
    missing = top == -math.inf
    parts = {name: part.gather(1, columns).masked_fill(missing, math.nan) for name, part in tasks.items()}
    return Ranking(rows.gather(1, columns).masked_fill(missing, 0), top, parts)
