"""TrainingEvents: the events of a training log, indexed by user."""

from __future__ import annotations

from typing import Any

import torch

from motet.data.log import EventLog


class TrainingEvents:
    """Finds the events of a user without a scan of the log.

    Args:
        log: The training log.
    """

    def __init__(self, log: EventLog) -> None:
        self.log = log
        users = log.batch().users
        times = log.columns[log.schema.time] if log.schema.time else torch.arange(len(log))
        order = times.argsort(stable=True)
        self._order = order[users[order].argsort(stable=True)]
        ends = torch.bincount(users, minlength=len(log.users)).cumsum(0)
        self._starts = torch.cat([ends.new_zeros(1), ends])

    def of(self, row: int, limit: int) -> list[dict[str, Any]]:
        """A user's events.

        Args:
            row: Row of the user.
            limit: Largest number of events.

        Returns:
            Events, newest first: item, kind, value and time; None where the log has none.
        """
        start, end = int(self._starts[row]), int(self._starts[row + 1])
        places = self._order[max(start, end - limit) : end].flip(0)
        events = self.log.take(places).frame()
        schema = self.log.schema
        found = []
        for event in events.iter_rows(named=True):
            known = {name: event[name] for name in schema.signals if event[name] is not None}
            signal, value = next(iter(known.items()), (None, None))
            kind = signal if schema.event is None else event[schema.event]
            time = event[schema.time] if schema.time else None
            found.append({"id": event[schema.item], "event": kind, "value": value, "time": time})
        return found
