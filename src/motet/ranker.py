"""Ranker: retrieves, filters, ranks and fuses, on rows instead of ids."""

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

FIRST = ""  # a source: the scorer's corpus task, or every item if there is none


@dataclass(frozen=True)
class Request:
    """The parameters of a request, the same for all its users.

    Attributes:
        k: The number of items.
        weights: The weight of each task's scores.
        candidates: The number of items that each source retrieves for the tasks to rank.
        exclude: Item rows that must not be recommended.
        only: Item rows that may be recommended; None for all.
        exclude_seen: Whether to leave out the items that a user has seen.
        preference: The weighting that the model answers by, from `Model.prefer`.
    """

    k: int
    weights: Mapping[str, float]
    candidates: int
    exclude: Int[Tensor, " excluded"]
    only: Int[Tensor, " allowed"] | None
    exclude_seen: bool
    preference: Float[Tensor, " tasks"] | None = None


class Ranking(NamedTuple):
    """The best items of each user, best first; shorter lines are padded with row 0, score minus infinity and NaN."""

    rows: Int[Tensor, "users k"]
    scores: Float[Tensor, "users k"]
    tasks: dict[str, Float[Tensor, "users k"]]


class Ranker:
    """Answers requests with the scores of a model.

    Args:
        scorer: The scorer of the trained model.
        index: An index of `scorer.candidates()` without row 0; by default an exact one.
        stages: The sources of candidates, checked by `retrievers.stages`: items from an earlier stage come first in the
            answer. By default one stage with the scorer's corpus task.

    Raises:
        ConfigError: If the index holds other vectors.
    """

    def __init__(
        self, scorer: Scorer, index: ExactIndex | ApproximateIndex | None = None, *, stages: Sequence[Stage] = ()
    ) -> None:
        self.scorer = scorer
        self.stages: Sequence[Stage] = stages or ((FIRST,),)
        # Indexes leave out row 0, since the unknown item is never recommended: row r of an index is item row r + 1.
        counts = scorer.popularity[1:, None].to(scorer.device)
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
        """The sources that are retrievers, not tasks."""
        return [source for stage in self.stages for source in stage if isinstance(source, Retriever)]

    def rank(self, askers: Askers, request: Request) -> Ranking:
        """Answer a request for many users, block by block.

        Args:
            askers: The users.
            request: The request.

        Returns:
            One line per user, as wide as the longest answer.
        """
        nobody = askers.basis == "popularity"
        size = max(1, PAIRS // self._size(request))
        if 0 < len(askers) <= size and (nobody == nobody[0]).all():
            return _trimmed((self._popular if nobody[0] else self._personal)(askers, request))
        blocks = [
            (answer, block)
            for answer, places in ((self._personal, ~nobody), (self._popular, nobody))
            for block in torch.from_numpy(places).nonzero()[:, 0].split(size)
            if len(block)
        ]
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
        """The answer to users with a vector of their own, stage by stage."""
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
        """The best candidates of a stage, by its own scores if it has any, else by those of the tasks."""
        found = _together([self._find(source, askers, request, barred) for source in stage])
        tasks = self.scorer.scores(askers, found.rows, request.preference)
        by = stage[0].by if len(stage) == 1 and isinstance(stage[0], Retriever) else None
        fused = fuse(tasks, request.weights if by is None else {by: 1.0}, found.rows > 0)
        if found.scores is None:
            return _cut(found.rows, fused, tasks, request.k)
        # Ties in the source's own scores keep the order of the columns, so the tasks break them.
        order = fused.argsort(dim=1, descending=True, stable=True)
        own = found.scores.masked_fill(found.rows == 0, -math.inf).gather(1, order)
        tasks = {name: part.gather(1, order) for name, part in tasks.items()}
        return _cut(found.rows.gather(1, order), own, tasks, request.k)

    def _find(self, source: str | Retriever, askers: Askers, request: Request, barred: Rows) -> Found:
        """The candidates of a source that the request allows."""
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
        """The items that are positives most often, for users of whom nothing is known."""
        only = None if request.only is None else request.only - 1
        barred = self._barred(askers, request)
        hits = self._by_count.search(self._ones(askers), request.k, exclude=barred, only=only)
        tasks = self.scorer.scores(askers, hits.rows + 1, request.preference)
        return _cut(hits.rows + 1, hits.scores, tasks, request.k)

    def _barred(self, askers: Askers, request: Request) -> Rows:
        """The index rows that must not be recommended."""
        exclude = request.exclude - 1
        if not request.exclude_seen:
            return exclude
        return [torch.cat([exclude, line - 1]) if len(exclude) else line - 1 for line in askers.seen]

    def _size(self, request: Request) -> int:
        return max(request.candidates, request.k) if self.scorer.corpus else len(self.index)

    def _ones(self, askers: Askers) -> Tensor:
        return torch.ones(len(askers), 1, device=self.scorer.device)


def _belonging(
    index: ExactIndex | ApproximateIndex, vectors: Float[Tensor, "rows width"]
) -> ExactIndex | ApproximateIndex:
    """The index, or an error if it holds other vectors."""
    held = index.vectors
    blocks = zip(held.split(PAIRS), vectors.split(PAIRS), strict=False)  # comparing makes copies
    same = held.shape == vectors.shape and held.data_ptr() == vectors.data_ptr()
    if not same and (held.shape != vectors.shape or not all(close(mine, theirs) for mine, theirs in blocks)):
        raise OtherVectorsError(
            f"the index holds {len(held):,} vectors of width {held.shape[1]}, which differ from those of the model's "
            f"{len(vectors):,} items; build it again: motet index MODEL",
            file=INDEX,
        )
    return index


def _among(rows: Tensor, lines: Rows) -> Tensor:
    """Which rows are among those listed, for all users alike or line by line."""
    if isinstance(lines, Tensor):
        return torch.isin(rows, lines.to(rows.device))
    who = torch.arange(len(lines)).repeat_interleave(torch.tensor([len(line) for line in lines]).long())
    named = torch.cat([*lines]) if len(lines) else who
    size = int(max(rows.max(), named.max())) + 1 if rows.numel() and len(named) else 1
    keys = torch.arange(len(rows), device=rows.device)[:, None] * size + rows
    return torch.isin(keys, (who * size + named).to(rows.device))


def _together(finds: Sequence[Found]) -> Found:
    """The candidates of several sources, each item once."""
    if len(finds) == 1:
        return finds[0]
    rows = torch.cat([found.rows for found in finds], 1).sort(1).values
    twice = torch.zeros_like(rows, dtype=torch.bool)
    twice[:, 1:] = rows[:, 1:] == rows[:, :-1]
    return Found(rows.masked_fill(twice, 0))


def _one_after_another(parts: Sequence[Ranking], k: int) -> Ranking:
    """Join the stages in order: a score is the number of later stages plus the stage's own score, mapped to (0, 1)."""
    scores = [
        ((part.scores / (1 + part.scores.abs()) + 1) / 2 + after).masked_fill(part.rows == 0, -math.inf)
        for after, part in zip(reversed(range(len(parts))), parts, strict=True)
    ]
    tasks = {name: torch.cat([part.tasks[name] for part in parts], 1) for name in parts[0].tasks}
    return _cut(torch.cat([part.rows for part in parts], 1), torch.cat(scores, 1), tasks, k)


def _trimmed(ranking: Ranking) -> Ranking:
    """The ranking on the CPU, without the columns that no line fills."""
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
