"""Tower: embeds the users or the items of a batch as vectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from motet.arguments import Checked
from motet.data.batch import Batch, Columns
from motet.data.entities import Entities
from motet.data.log import EventLog
from motet.data.schema import Feature
from motet.data.visitors import Visitors
from motet.data.vocab import Vocab
from motet.errors import ConfigError, DataError


class Tower(Checked, nn.Module, ABC):
    """Embeds users or items as vectors.

    Attributes:
        entities: The users, or the items, that it embeds: their vocabulary and features.
        dim: Width of the vectors.
        context: Batch columns that it reads besides the id. A tower without any gives equal ids equal vectors, and
            `Model` embeds each distinct id of a batch once.
        remembers: Whether it can also embed a row without that context, from what `prepare` has seen. A `Recommender`
            needs that.
        reads: The declared features that it reads. A request can supply them for a user who is not in the training log.
        reads_context: The columns in `context` whose values a request can supply, and how each is read.
        reads_history: Whether it reads a history of items, so that a request can add to it.
    """

    entities: Entities
    dim: int
    context: tuple[str, ...] = ()
    remembers: bool = False
    reads: tuple[str, ...] = ()
    reads_context: Mapping[str, Feature] = {}  # a constant; classes that read any set their own
    reads_history: bool = False

    @abstractmethod
    def forward(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        """Embed `batch[self.entities.key]`.

        Args:
            batch: Needs the id column of the tower's side, and the `context` columns.

        Returns:
            One vector for each row of the batch.
        """

    def prepare(self, train: Columns) -> None:
        """Collect statistics of the training rows before the first step.

        Args:
            train: The training log.
        """

    def for_visitors(self, visitors: Visitors) -> Self:  # noqa: ARG002
        """Make a tower with the same weights that embeds the users of a request, with the features and items it adds.

        Args:
            visitors: The users, with all features in `reads` and columns in `reads_context`.

        Returns:
            A tower that shares all weights with this one; its entity row r is visitor r.

        Raises:
            ConfigError: If the class does not support it; such a class leaves `reads` and `reads_history` at their
                defaults.
        """
        raise ConfigError(
            f"a {type(self).__name__} cannot embed the users of a request: give the class a method "
            "`for_visitors`, and declare in `reads` and `reads_history` what it reads"
        )

    def described(self) -> Bool[Tensor, " entities"]:
        """Tell which entities have a meaningful vector without a training event, from more than their id.

        Returns:
            True for every entity if the tower reads declared features. A class without `for_visitors`, which does not
            declare in `reads` what it reads, counts as reading all.
        """
        undeclared = type(self).for_visitors is Tower.for_visitors and bool(self.entities.features)
        return torch.full((len(self.entities),), bool(self.reads) or undeclared)

    def history_where(self, log: EventLog) -> str | None:  # noqa: ARG002
        """The condition on the events of the history that the tower reads; None for all events.

        Args:
            log: The training log.

        Returns:
            A condition on columns of the log. `for_visitors` does not get events of a request that cannot meet it.
        """
        return None

    def mean_id(self, rows: Int[Tensor, " n"]) -> Float[Tensor, " dim"] | None:
        """The vector that stands for an id without training events.

        Args:
            rows: The entities with training events.

        Returns:
            The mean of their id vectors; None if ids have no vectors of their own.
        """

    def config(self) -> dict[str, Any]:
        """The constructor's arguments besides the entities, as JSON values.

        `type(tower)(tower.entities, **tower.config())` makes an untrained tower that can load the saved weights.

        Returns:
            Values by argument name.

        Raises:
            ConfigError: If the class has no such method; its towers train and predict, but cannot be saved.
        """
        raise ConfigError(
            f"a {type(self).__name__} cannot be saved: give the class a method `config` that returns the arguments "
            "its constructor needs besides the entities"
        )


def check_ids(tower: Tower, side: str, key: str, vocabs: Mapping[str, Vocab]) -> None:
    """Check that a log numbers ids as a tower does.

    Args:
        tower: The tower.
        side: `"user"` or `"item"`, for the error message.
        key: The id column of that side in the log.
        vocabs: The vocabularies of the log; one that is absent is not checked.

    Raises:
        DataError: If the tower embeds a column of another name, or numbers its ids differently.
    """
    entities = tower.entities
    if entities.key != key:
        raise DataError(
            f"the {side} tower embeds {entities.key!r}, and the {side}s of the log are {key!r}; build it from "
            f"log.{side}s"
        )
    if vocabs.get(key, entities.vocab) != entities.vocab:
        raise DataError(
            f"the model knows {len(entities) - 1:,} {side}s, and the log numbers its {len(vocabs[key].ids):,} "
            "differently; read it with encode(...) of the log that the model was built on"
        )
