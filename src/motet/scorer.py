"""Scorer: vectors and scores of a trained model by row, with the vectors of all items in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from motet.artifact.vectors import FILE, Vectors
from motet.data.batch import Batch
from motet.data.log import EventLog
from motet.data.pair_features import PairFeatures
from motet.data.request_events import RequestEvents
from motet.errors import ConfigError
from motet.layers.precision import check_weights
from motet.model import Model
from motet.tasks import CorpusTask, WithContext
from motet.towers.base import Tower

Preferred = Float[Tensor, " tasks"] | None
SAMPLE = 500  # items at either end that are embedded again, to check that stored vectors are the model's
PAIRS = 1 << 16  # user-item pairs scored at once: a head of 256 hidden units then holds 64 MB


@dataclass(frozen=True)
class Askers:
    """The users of a request, one line each, in the training log or not.

    Attributes:
        rows: User rows; 0 for users who are not in the log.
        vectors: The vectors from the tower, before any preference.
        seen: The rows of the items that each user has seen, which are not recommended again.
        events: The events that the request passes.
        basis: The basis of each vector, as in `TopK`: "known", "features", "history" or "popularity".
    """

    rows: Int[Tensor, " n"]
    vectors: Float[Tensor, "n dim"]
    seen: Sequence[Int[Tensor, " _"]]
    events: RequestEvents
    basis: npt.NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, lines: Int[Tensor, " m"]) -> Askers:
        """Select lines.

        Args:
            lines: Line numbers, in any order, repeated or not.

        Returns:
            The users of these lines.
        """
        places = lines.tolist()
        vectors = self.vectors[lines.to(self.vectors.device)]
        seen = [self.seen[place] for place in places]
        return Askers(self.rows[lines], vectors, seen, self.events.take(lines), self.basis[places])


class Scorer:
    """Vectors and scores of user and item rows.

    Args:
        model: A trained model; it is put in evaluation mode.
        log: The training log.
        context: The columns that `WithContext` tasks read of a user with an item; needed if the model has such a task.
        vectors: The vectors of all items, if they were stored; by default the tower computes them.

    Raises:
        ConfigError: If the model has no task, a tower needs context that a request does not have, or a task reads
            columns that `context` does not provide; or if its weights are neither float32 nor float64.
        DataError: If the log numbers users or items differently from the model.
        OtherVectorsError: If the vectors are not those of the model.

    Attributes:
        counts: The number of training events of each item row.
        popularity: How often each item row is a positive of `corpus`: the number of all its events without such a task,
            or if the log does not tell.
        known: Which user rows have training events, or features that the tower reads, and so a meaningful vector.
        vectors: The vectors of all item rows, with the columns that `corpus` adds for an index: one copy serves both.
        items: The vectors of all item rows.
        corpus: The first trained task that ranks the whole catalogue, if there is one.
    """

    def __init__(
        self,
        model: Model,
        log: EventLog,
        *,
        context: PairFeatures | None = None,
        vectors: Vectors | None = None,
    ) -> None:
        if not model.tasks:
            raise ConfigError(
                f"a {type(model).__name__} without tasks has no scores; give it at least one task: tasks=[...]"
            )
        check_weights(model)
        model.check_ids(log)
        self.model = model.eval()
        for tower in (model.user, model.item):
            if tower.context and not tower.remembers:
                raise ConfigError(
                    f"the tower of {tower.entities.key!r} reads the context {', '.join(tower.context)}, which a "
                    "request does not have; to serve a model, train it without context"
                )
        _check_context(model, () if context is None else context.names)
        self.context = context
        self.device = next(model.parameters()).device
        self.keys = (log.schema.user, log.schema.item)
        batch = log.batch()
        self.counts: Float[Tensor, " items"] = torch.bincount(batch.items, minlength=len(log.items)).float()
        events = torch.bincount(batch.users, minlength=len(log.users))
        self.known: Bool[Tensor, " users"] = (events > 0) | model.user.described()
        self.known[0] = False
        trained = (task for name, task in model.tasks.items() if model.weights[name] > 0)
        self.corpus = next((task for task in trained if isinstance(task, CorpusTask)), None)
        self.popularity = self._popularity(batch)
        self.vectors = self._made(torch.arange(len(log.items))) if vectors is None else self._belonging(vectors)
        self.items: Float[Tensor, "items dim"] = self.vectors.rows[:, : model.item.dim]

    def _popularity(self, batch: Batch) -> Float[Tensor, " items"]:
        """What somebody unknown is recommended by: returns, dislikes and mere exposures do not count."""
        if self.corpus is None or self.corpus.where is None or not self.corpus.has_columns(batch):
            return self.counts
        weights = self.corpus.row_weights(batch).double()
        counts = torch.bincount(batch.items, weights, minlength=len(self.counts)).float()
        return counts if counts.any() else self.counts

    def _made(self, rows: Tensor) -> Vectors:
        """All item vectors, with the columns that the corpus task appends, if it leaves the vectors as they are."""
        items = self.embed(self.model.item, rows)
        if self.corpus is not None:
            candidates = self._candidates(self.corpus, items, rows)
            if torch.equal(candidates[:, : items.shape[1]], items):
                return Vectors(candidates, self.corpus.name)
        return Vectors(items, "")

    def _belonging(self, vectors: Vectors) -> Vectors:
        """The stored vectors, checked on a sample, with a tolerance since another processor rounds differently."""
        size = len(self.counts)
        first = torch.arange(min(SAMPLE, size))
        some = torch.cat([first, torch.arange(max(len(first), size - SAMPLE), size)])
        made = self.embed(self.model.item, some)
        if vectors.task:
            task = self.model.tasks.get(vectors.task)
            made = self._candidates(task, made, some) if isinstance(task, CorpusTask) else made[:, :0]
        held = vectors.rows.to(self.device)
        if held.shape != (size, made.shape[1]) or held.dtype != made.dtype or not close(held[some], made):
            raise OtherVectorsError(
                f"the stored vectors, of shape {tuple(held.shape)}, differ from those of the model's {size - 1:,} "
                "items; save the model again",
                file=FILE,
            )
        return Vectors(held, vectors.task)

    @torch.no_grad()
    def _candidates(self, task: CorpusTask, items: Tensor, rows: Tensor) -> Tensor:
        return task.candidates(items, Batch({self.keys[1]: rows.to(self.device)}, *self.keys))

    @cached_property
    def everyone(self) -> Float[Tensor, "users dim"]:
        """The vectors of all user rows, before any preference; users who are not known get the mean of the others."""
        vectors = self.embed(self.model.user, torch.arange(len(self.known)))
        known = self.known.to(self.device)
        vectors[~known] = vectors[known].mean(0)
        return vectors

    def users(self, rows: Int[Tensor, " n"]) -> Float[Tensor, "n dim"]:
        """User vectors, before any preference.

        Args:
            rows: User rows.

        Returns:
            One vector per row; the mean vector for users who are not known.
        """
        if not self.known[rows].all():
            return self.everyone[rows.to(self.device)]
        return self.embed(self.model.user, rows)

    @torch.no_grad()
    def queries(
        self, askers: Askers, preference: Preferred = None, *, task: CorpusTask | None = None
    ) -> Float[Tensor, "n *heads width"]:
        """The queries of users for an index of `candidates`.

        Args:
            askers: The users.
            preference: The weighting that the model answers by, from `Model.prefer`.
            task: The task that ranks; `corpus` by default.

        Returns:
            One query per user, or several if the task has several heads.
        """
        task = task or self.corpus
        assert task is not None
        batch = Batch({self.keys[0]: askers.rows.to(self.device)}, *self.keys, preference=preference)
        return task.queries(self.preferring(askers.vectors, preference), batch)

    @torch.no_grad()
    def candidates(self, task: CorpusTask | None = None) -> Float[Tensor, "items width"]:
        """The vectors that an index holds: all items as candidates of a task.

        Args:
            task: The task that ranks; `corpus` by default.

        Returns:
            One vector per item row.
        """
        task = task or self.corpus
        assert task is not None
        if task.name == self.vectors.task:
            return self.vectors.rows
        return self._candidates(task, self.items, torch.arange(len(self.items)))

    @torch.no_grad()
    def scores(
        self, askers: Askers, items: Int[Tensor, "n c"], preference: Preferred = None
    ) -> dict[str, Float[Tensor, "n c"]]:
        """Every task's score of each user with each of their items.

        Args:
            askers: The users.
            items: One line of item rows per user.
            preference: The weighting that the model answers by, from `Model.prefer`.

        Returns:
            Scores by task, in the task's unit.
        """
        vectors = self.preferring(askers.vectors, preference)[:, None]
        users, items = askers.rows.to(self.device)[:, None], items.to(self.device)
        scores = {name: vectors.new_empty(items.shape) for name in self.model.tasks}
        for lines, columns in _blocks(*items.shape):
            rows = items[lines, columns]
            batch = Batch(self._pairs(users[lines], rows), *self.keys, preference=preference)
            candidates = F.embedding(rows, self.items)  # five times as fast as indexing
            for name, found in self.model.score_vectors(vectors[lines], candidates, batch).items():
                scores[name][lines, columns] = found
        return scores

    def _pairs(self, users: Tensor, items: Tensor) -> dict[str, Tensor]:
        """The columns of users and their items: the rows of both sides, and the context of each pair."""
        columns = {self.keys[0]: users, self.keys[1]: items}
        if self.context is not None:
            found = self.context.columns(users.expand_as(items).flatten().cpu(), items.flatten().cpu())
            columns |= {name: column.view(items.shape).to(self.device) for name, column in found.items()}
        return columns

    @torch.no_grad()
    def preferring(self, vectors: Float[Tensor, "n dim"], preference: Preferred = None) -> Float[Tensor, "n dim"]:
        """User vectors under a preference: an affine map, so the mean vector stays the mean.

        Args:
            vectors: The vectors from the tower.
            preference: The weighting that the model answers by, from `Model.prefer`.

        Returns:
            The vectors that tasks read.
        """
        return vectors if self.model.preference is None else self.model.preference(vectors, preference)

    @torch.no_grad()
    def embed(self, tower: Tower, rows: Int[Tensor, " n"]) -> Float[Tensor, "n dim"]:
        """The vectors of a tower, block by block.

        Args:
            tower: A tower of the model, or one that `Tower.for_visitors` made from it.
            rows: Rows of its entities.

        Returns:
            One vector per row.
        """
        key = tower.entities.key
        blocks = [tower(Batch({key: part.to(self.device)}, *self.keys)) for part in rows.split(PAIRS)]
        return torch.cat(blocks)


class OtherVectorsError(ConfigError):
    """Stored vectors or an index differ from the vectors of the model's items.

    Args:
        message: What differs.
        file: The file of a saved model that holds them.
    """

    def __init__(self, message: str, *, file: str) -> None:
        super().__init__(message)
        self.file = file


def _blocks(users: int, items: int) -> Iterator[tuple[slice, slice]]:
    """Blocks of at most `PAIRS` pairs: the whole lines of some users, or a piece of one line."""
    height = max(1, PAIRS // max(1, items))
    for line in range(0, users, height):
        for column in range(0, items, PAIRS):
            yield slice(line, line + height), slice(column, column + PAIRS)


def close(held: Float[Tensor, "rows width"], made: Float[Tensor, "rows width"]) -> bool:
    """Whether vectors are equal up to the rounding of another processor.

    Args:
        held: Stored vectors.
        made: Vectors that were just computed.

    Returns:
        True if they are.
    """
    return torch.allclose(held.to(made), made, rtol=1e-3, atol=1e-4)


def _check_context(model: Model, names: Sequence[str]) -> None:
    for name, task in model.tasks.items():
        absent = [column for column in task.context if column not in names] if isinstance(task, WithContext) else []
        if absent:
            raise ConfigError(
                f"task {name!r} reads {absent[0]!r} of a user with an item, which a request does not have; pass the "
                "counts as context=PairFeatures(log), in a project file [recommend] context; its columns here: "
                f"{', '.join(names) or 'none'}. A ContextTower reads what a request has, such as the device"
            )
