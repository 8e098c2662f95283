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

from motet.data.batch import Batch
from motet.data.log import EventLog
from motet.errors import ConfigError
from motet.model import Model
from motet.tasks.base import CorpusTask
from motet.towers.base import Tower

Preferred = Float[Tensor, " tasks"] | None
PAIRS = 1 << 16  # user-item pairs scored at once: a head of 256 hidden units then holds 64 MB


@dataclass(frozen=True)
class Askers:
    """Users who ask, one line each, known to training or not.

    Attributes:
        rows: User rows; 0 for strangers.
        vectors: What the tower makes of them, before any preference.
        seen: Rows of the items each had.
        basis: What the vectors stand on, as `TopK` has it: "known", "features", "history" or "popularity".
    """

    rows: Int[Tensor, " n"]
    vectors: Float[Tensor, "n dim"]
    seen: Sequence[Int[Tensor, " _"]]
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
        return Askers(self.rows[lines], vectors, [self.seen[place] for place in places], self.basis[places])


class Scorer:
    """Vectors and scores of rows.

    Args:
        model: Trained; it is put in evaluation mode.
        log: The training log.

    Raises:
        ConfigError: If the model has no task, or a tower of it needs context: a request has none.

    Attributes:
        counts: Training events of each item row.
        known: Which user rows have training events or features, so that their vector means something.
        items: Vectors of all item rows.
        corpus: The first trained task that ranks the whole catalogue, if there is one.
    """

    def __init__(self, model: Model, log: EventLog) -> None:
        if not model.tasks:
            raise ConfigError(
                f"a {type(model).__name__} without tasks scores nothing; give it at least one: tasks=[...]"
            )
        self.model = model.eval()
        for tower in (model.user, model.item):
            if tower.context and not tower.remembers:
                raise ConfigError(
                    f"the tower of {tower.entities.key!r} reads the context {', '.join(tower.context)}, which a "
                    "request does not have; train a model without context to serve it"
                )
        self.device = next(model.parameters()).device
        self.keys = (log.schema.user, log.schema.item)
        batch = log.batch()
        self.counts: Int[Tensor, " items"] = torch.bincount(batch.items, minlength=len(log.items))
        events = torch.bincount(batch.users, minlength=len(log.users))
        self.known: Bool[Tensor, " users"] = (events > 0) | bool(log.users.features)
        self.known[0] = False
        self.items: Float[Tensor, "items dim"] = self.embed(model.item, torch.arange(len(log.items)))
        trained = (task for name, task in model.tasks.items() if model.weights[name] > 0)
        self.corpus = next((task for task in trained if isinstance(task, CorpusTask)), None)

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
    def queries(self, askers: Askers, preference: Preferred = None) -> Float[Tensor, "n *heads width"]:
        """What an index of `candidates` is asked.

        Args:
            askers: The users.
            preference: As `Model.prefer` tells it.

        Returns:
            One query an asker, or several.
        """
        assert self.corpus is not None
        batch = Batch({self.keys[0]: askers.rows.to(self.device)}, *self.keys, preference=preference)
        return self.corpus.queries(self.preferring(askers.vectors, preference), batch)

    @torch.no_grad()
    def candidates(self) -> Float[Tensor, "items width"]:
        """What an index holds: all items as the corpus task sees them.

        Returns:
            One vector an item row.
        """
        assert self.corpus is not None
        rows = torch.arange(len(self.items), device=self.device)
        return self.corpus.candidates(self.items, Batch({self.keys[1]: rows}, *self.keys))

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
        for block in torch.arange(len(flat), device=self.device).split(PAIRS):
            rows, user = flat[block], who[block]
            batch = Batch({self.keys[0]: users[user], self.keys[1]: rows}, *self.keys, preference=preference)
            for name, scores in self.model.score_vectors(vectors[user], self.items[rows], batch).items():
                parts[name].append(scores)
        return {name: torch.cat(scores).view(items.shape) for name, scores in parts.items()}

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
