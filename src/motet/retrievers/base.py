"""Retriever: finds candidates for users, by any means."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple, Self

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.data.log import EventLog
from motet.scorer import Askers


class Found(NamedTuple):
    """Candidates, one line a user.

    Attributes:
        rows: Item rows, each at most once a line; row 0 fills shorter lines up.
        scores: What the candidates are ordered by, higher is better; None where the tasks decide.
    """

    rows: Int[Tensor, "users width"]
    scores: Float[Tensor, "users width"] | None = None

    @classmethod
    def of(
        cls,
        who: Int[Tensor, " pairs"],
        items: Int[Tensor, " pairs"],
        users: int,
        scores: Float[Tensor, " pairs"] | None = None,
    ) -> Self:
        """Put pairs into lines.

        Args:
            who: The line of each pair, ascending.
            items: Its item row.
            users: How many lines there are.
            scores: Of each pair.

        Returns:
            The candidates, in the order of the pairs.

        Example:
            >>> Found.of(torch.tensor([0, 2, 2]), torch.tensor([7, 5, 6]), users=3).rows
            tensor([[7, 0],
                    [0, 0],
                    [5, 6]])
        """
        counts = torch.bincount(who, minlength=users)
        place = torch.arange(len(who), device=who.device) - (counts.cumsum(0) - counts)[who]
        rows = items.new_zeros(users, int(counts.max()) if users else 0)
        rows[who, place] = items
        if scores is None:
            return cls(rows)
        lines = scores.new_full(rows.shape, -torch.inf)
        lines[who, place] = scores
        return cls(rows, lines)


class Retriever(ABC):
    """Finds candidates; a `Recommender` filters, scores and orders them.

    Args:
        by: Name of the task that orders what is found; what each task counts for in the question, where not given.
    """

    def __init__(self, *, by: str | None = None) -> None:
        self.by = by

    @abstractmethod
    def prepare(self, log: EventLog) -> None:
        """Look once at the training log.

        Args:
            log: What the recommender serves.

        Raises:
            ConfigError: If the retriever does not fit the log.
        """

    @abstractmethod
    def find(self, askers: Askers, most: int) -> Found:
        """Candidates of some users, whatever a question allows.

        Args:
            askers: The users.
            most: How many candidates a user are asked for; those that are free may be more.

        Returns:
            One line a user.
        """

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """The constructor's arguments by name."""
