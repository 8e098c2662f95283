"""Scorer: a trained model asked by rows, with the vectors of all items at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motet.artifact.vectors import FILE, Vectors
from motet.data.batch import Batch
from motet.data.log import EventLog
from motet.data.pair_features import PairFeatures
from motet.data.told_events import ToldEvents
from motet.errors import ConfigError
from motet.model import Model
from motet.tasks import CorpusTask, WithContext
from motet.towers.base import Tower

Preferred = Float[Tensor, " tasks"] | None
SAMPLE = 500  # items at either end whose vectors are made again, to see whether kept ones are the model's
PAIRS = 1 << 16  # user-item pairs scored at once: a head of 256 hidden units then holds 64 MB


@dataclass(frozen=True)
class Askers:
    """Users who ask, one line each, known to training or not.

    Attributes:
        rows: User rows; 0 for strangers.
        vectors: What the tower makes of them, before any preference.
        seen: Rows of the items each had, as far as these are not to be recommended again.
        told: What the question says that they did.
        basis: What the vectors stand on, as `TopK` has it: "known", "features", "history" or "popularity".
    """

    rows: Int[Tensor, " n"]
    vectors: Float[Tensor, "n dim"]
    seen: Sequence[Int[Tensor, " _"]]
    told: ToldEvents
    basis: npt.NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, lines: Int[Tensor, " m"]) -> Askers:
        """Some of them.

        Args:
            lines: Which, in any order, repeated or not.

        Returns:
            The askers.
        """
        places = lines.tolist()
        vectors = self.vectors[lines.to(self.vectors.device)]
        seen = [self.seen[place] for place in places]
        return Askers(self.rows[lines], vectors, seen, self.told.take(lines), self.basis[places])


class Scorer:
    """Vectors and scores of rows.

    Args:
        model: Trained; it is put in evaluation mode.
        log: The training log.
        context: What heads read of a user with an item; needed where a task of the model is `WithContext`.
        vectors: Of all items, where they were kept; the tower makes them where not given.

    Raises:
        ConfigError: If the model has no task, a tower of it needs context, which a request has not, or a task reads
            columns that `context` does not make.
        DataError: If the log numbers users or items differently from the model.
        OtherVectorsError: If the vectors are not those of the model.

    Attributes:
        counts: Training events of each item row, as an index of the most frequent ones is asked for them.
        known: Which user rows have training events or features, so that their vector means something.
        vectors: Of all item rows, with what `corpus` adds for an index, so that both are held once.
        items: Vectors of all item rows.
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
                f"a {type(model).__name__} without tasks scores nothing; give it at least one: tasks=[...]"
            )
        model.check_ids(log)
        self.model = model.eval()
        for tower in (model.user, model.item):
            if tower.context and not tower.remembers:
                raise ConfigError(
                    f"the tower of {tower.entities.key!r} reads the context {', '.join(tower.context)}, which a "
                    "request does not have; train a model without context to serve it"
                )
        _check_context(model, () if context is None else context.names)
        self.context = context
        self.device = next(model.parameters()).device
        self.keys = (log.schema.user, log.schema.item)
        batch = log.batch()
        self.counts: Float[Tensor, " items"] = torch.bincount(batch.items, minlength=len(log.items)).float()
        events = torch.bincount(batch.users, minlength=len(log.users))
        self.known: Bool[Tensor, " users"] = (events > 0) | bool(log.users.features)
        self.known[0] = False
        trained = (task for name, task in model.tasks.items() if model.weights[name] > 0)
        self.corpus = next((task for task in trained if isinstance(task, CorpusTask)), None)
        rows = torch.arange(len(log.items))
        self.vectors = self._made(rows) if vectors is None else self._belonging(rows, vectors)
        self.items: Float[Tensor, "items dim"] = self.vectors.rows[:, : model.item.dim]

    def _made(self, rows: Tensor) -> Vectors:
        """All item vectors, with what the corpus task adds to them; without it where it makes them anew."""
        items = self.embed(self.model.item, rows)
        if self.corpus is not None:
            candidates = self._candidates(self.corpus, items, rows)
            if torch.equal(candidates[:, : items.shape[1]], items):
                return Vectors(candidates, self.corpus.name)
        return Vectors(items, "")

    def _belonging(self, rows: Tensor, vectors: Vectors) -> Vectors:
        """Refuse vectors of another model, by a sample; another processor may round the same ones differently."""
        some = torch.cat([rows[:SAMPLE], rows[SAMPLE:][-SAMPLE:]])
        made = self.embed(self.model.item, some)
        if vectors.task:
            task = self.model.tasks.get(vectors.task)
            made = self._candidates(task, made, some) if isinstance(task, CorpusTask) else made[:, :0]
        held = vectors.rows.to(self.device)
        if held.shape != (len(rows), made.shape[1]) or held.dtype != made.dtype or not close(held[some], made):
            raise OtherVectorsError(
                f"the kept vectors, of shape {tuple(held.shape)}, are not those of the model's {len(rows) - 1:,} "
                "items; save the model again",
                file=FILE,
            )
        return Vectors(held, vectors.task)

    @torch.no_grad()
    def _candidates(self, task: CorpusTask, items: Tensor, rows: Tensor) -> Tensor:
        return task.candidates(items, Batch({self.keys[1]: rows.to(self.device)}, *self.keys))

    @cached_property
    def everyone(self) -> Float[Tensor, "users dim"]:
        """Vectors of all user rows as the tower gives them; those that are not known get the mean of the known."""
        vectors = self.embed(self.model.user, torch.arange(len(self.known)))
        known = self.known.to(self.device)
        vectors[~known] = vectors[known].mean(0)
        return vectors

    def users(self, rows: Int[Tensor, " n"]) -> Float[Tensor, "n dim"]:
        """User vectors, before any preference.

        Args:
            rows: User rows.

        Returns:
            One vector a row; of users who are not known, the mean user.
        """
        if not self.known[rows].all():
            return self.everyone[rows.to(self.device)]
        return self.embed(self.model.user, rows)

    @torch.no_grad()
    def queries(
        self, askers: Askers, preference: Preferred = None, *, task: CorpusTask | None = None
    ) -> Float[Tensor, "n *heads width"]:
        """What an index of `candidates` is asked.

        Args:
            askers: The users.
            preference: As `Model.prefer` tells it.
            task: Which ranks; `corpus` where not given.

        Returns:
            One query an asker, or several.
        """
        task = task or self.corpus
        assert task is not None
        batch = Batch({self.keys[0]: askers.rows.to(self.device)}, *self.keys, preference=preference)
        return task.queries(self.preferring(askers.vectors, preference), batch)

    @torch.no_grad()
    def candidates(self, task: CorpusTask | None = None) -> Float[Tensor, "items width"]:
        """What an index holds: all items as a task sees them.

        Args:
            task: Which ranks; `corpus` where not given.

        Returns:
            One vector an item row.
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
        """What every task says of each user with each of their items.

        Args:
            askers: The users.
            items: A line of item rows for each user.
            preference: As `Model.prefer` tells it.

        Returns:
            By task, in the task's unit.
        """
        vectors = self.preferring(askers.vectors, preference)
        users = askers.rows.to(self.device)
        who = torch.arange(len(users), device=self.device).repeat_interleave(items.shape[1])
        flat = items.to(self.device).flatten()
        parts: dict[str, list[Tensor]] = {name: [] for name in self.model.tasks}
        for rows, user in zip(flat.split(PAIRS), who.split(PAIRS), strict=True):
            batch = Batch(self._pairs(users[user], rows), *self.keys, preference=preference)
            pairs = vectors.index_select(0, user), self.items.index_select(0, rows)  # five times as fast as indexing
            for name, scores in self.model.score_vectors(*pairs, batch).items():
                parts[name].append(scores)
        return {name: torch.cat(scores).view(items.shape) for name, scores in parts.items()}

    def _pairs(self, users: Tensor, items: Tensor) -> dict[str, Tensor]:
        """The columns of pairs: their ids, and what is known of each pair."""
        columns = {self.keys[0]: users, self.keys[1]: items}
        if self.context is not None:
            found = self.context.columns(users.cpu(), items.cpu())
            columns |= {name: column.to(self.device) for name, column in found.items()}
        return columns

    @torch.no_grad()
    def preferring(self, vectors: Float[Tensor, "n dim"], preference: Preferred = None) -> Float[Tensor, "n dim"]:
        """User vectors under a preference: an affine map, which takes the mean user to the mean of all.

        Args:
            vectors: As the tower gives them.
            preference: As `Model.prefer` tells it.

        Returns:
            What tasks read.
        """
        return vectors if self.model.preference is None else self.model.preference(vectors, preference)

    @torch.no_grad()
    def embed(self, tower: Tower, rows: Int[Tensor, " n"]) -> Float[Tensor, "n dim"]:
        """What a tower makes of entities, block by block.

        Args:
            tower: One of the model's, or a twin of it.
            rows: Its rows.

        Returns:
            One vector a row.
        """
        key = tower.entities.key
        blocks = [tower(Batch({key: part.to(self.device)}, *self.keys)) for part in rows.split(PAIRS)]
        return torch.cat(blocks)


class OtherVectorsError(ConfigError):
    """Vectors or an index are not of the model's items.

    Args:
        message: What does not fit.
        file: In which they lie, in a saved model.
    """

    def __init__(self, message: str, *, file: str) -> None:
        super().__init__(message)
        self.file = file


def close(held: Float[Tensor, "rows width"], made: Float[Tensor, "rows width"]) -> bool:
    """Whether vectors are the same but for what another processor rounds differently.

    Args:
        held: One a row.
        made: One a row.

    Returns:
        True where they are.
    """
    return torch.allclose(held.to(made), made, rtol=1e-3, atol=1e-4)


def _check_context(model: Model, names: Sequence[str]) -> None:
    for name, task in model.tasks.items():
        absent = [column for column in task.context if column not in names] if isinstance(task, WithContext) else []
        if absent:
            raise ConfigError(
                f"task {name!r} reads {absent[0]!r} of a user with an item, which a request does not have; say how to "
                f"count it: context=PairFeatures(log), whose columns here are {', '.join(names) or 'none'}"
            )
