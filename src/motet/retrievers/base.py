"""Retriever: finds candidates for users."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple, Self

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.arguments import Checked
from motet.data.log import EventLog
from motet.scorer import Askers


class Found(NamedTuple):
    """Candidates, one line per user.

    Attributes:
        rows: Item rows, each at most once per line; shorter lines are padded with row 0.
        scores: The scores that order the candidates, higher is better; None if the tasks order them.
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
        """Arrange pairs in lines.

        Args:
            who: The line of each pair, ascending.
            items: The item row of each pair.
            users: The number of lines.
            scores: The score of each pair.

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


class Retriever(Checked, ABC):
    """Finds candidates, which a `Recommender` filters, scores and orders.

    Args:
        by: Name of the task that orders the candidates; by default all tasks, with the weights of the request.
    """

    def __init__(self, *, by: str | None = None) -> None:
        self.by = by

    @abstractmethod
    def prepare(self, log: EventLog) -> None:
        """Read the training log, once.

        Args:
            log: The log of the recommender.

        Raises:
            ConfigError: If the retriever does not fit the log.
        """

    @abstractmethod
    def find(self, askers: Askers, most: int) -> Found:
        """Find candidates, regardless of the filters of the request.

        Args:
            askers: The users.
            most: The number of candidates needed per user; a retriever may return more if they cost nothing.

        Returns:
            One line per user.
        """

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """The constructor's arguments by name."""
