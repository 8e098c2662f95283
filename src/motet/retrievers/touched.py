"""Touched: what the user looked at already."""

from __future__ import annotations

from typing import Any

from motet.data.expression import Expression
from motet.data.history import History
from motet.data.log import EventLog
from motet.retrievers.base import Found, Retriever
from motet.retrievers.chosen import chosen
from motet.scorer import Askers


class Touched(Retriever):
    """All items that the user had in some rows of the training log or as a question tells, such as viewed ones.

    Where people look before they buy, most of what they buy next is among these. Say with `seen` of the `Recommender`
    what is still left out: by default whatever the user had, and that is all of it.

    Args:
        where: Which rows: a condition such as `"event in ['view', 'cart']"`. An event of a question that does not say
            what the condition reads is one of them.
        by: Name of the task that orders them; what each task counts for in the question, where not given.
    """

    history: History
    _width: int  # item rows of the log

    def __init__(self, where: str, *, by: str | None = None) -> None:
        super().__init__(by=by)
        self.where = where
        self._condition = Expression(where)

    def prepare(self, log: EventLog) -> None:
        """Collect who touched what; see `Retriever.prepare`."""
        self.history = chosen(log, self.where)
        self._width = len(log.items)

    def find(self, askers: Askers, most: int) -> Found:  # noqa: ARG002  # a history is short
        """Everything the users touched; see `Retriever.find`."""
        told = askers.told.where(self._condition)
        touched = self.history.with_added(askers.rows, told.who, told.items, self._width)
        return Found.of(*touched.pairs(), len(askers))

    def config(self) -> dict[str, Any]:
        """The constructor's arguments by name."""
        return {"where": self.where, "by": self.by}
