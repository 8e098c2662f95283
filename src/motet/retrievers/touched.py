"""Touched: the items that the user has already interacted with."""

from __future__ import annotations

from typing import Any

from motet.data.expression import Expression
from motet.data.history import History
from motet.data.log import EventLog
from motet.retrievers.base import Found, Retriever
from motet.retrievers.chosen import chosen
from motet.scorer import Askers


class Touched(Retriever):
    """All items of the user in selected rows of the training log or of the request, such as viewed ones.

    Where people look before they buy, most of their next purchases are among these. Set `seen` of the `Recommender`
    with it: by default a recommender leaves out all items that the user has seen, which are all of these.

    Args:
        where: The condition that selects the rows, such as `"event in ['view', 'cart']"`. Events of a request that do
            not state the column of the condition count.
        by: Name of the task that orders the candidates; by default all tasks, with the weights of the request.
    """

    history: History
    _width: int  # number of item rows of the log

    def __init__(self, where: str, *, by: str | None = None) -> None:
        super().__init__(by=by)
        self.where = where
        self._condition = Expression(where)

    def prepare(self, log: EventLog) -> None:
        """Collect the items of each user; see `Retriever.prepare`."""
        self.history = chosen(log, self.where)
        self._width = len(log.items)

    def find(self, askers: Askers, most: int) -> Found:  # noqa: ARG002  # histories are short
        """All items of these users; see `Retriever.find`."""
        events = askers.events.where(self._condition)
        touched = self.history.with_added(askers.rows, events.who, events.items, self._width)
        return Found.of(*touched.pairs(), len(askers))

    def config(self) -> dict[str, Any]:
        """The constructor's arguments by name."""
        return {"where": self.where, "by": self.by}
