"""chosen: the items of each user in selected rows of a log."""

from __future__ import annotations

from motet.data.history import History
from motet.data.log import EventLog
from motet.errors import ConfigError
from motet.tasks.rows import Rows


def chosen(log: EventLog, where: str | None) -> History:
    """The items of each user in the rows that a condition selects.

    Args:
        log: The training log.
        where: The condition; None for all rows.

    Returns:
        The history of every user row.

    Raises:
        ConfigError: If the condition has a syntax error, or reads a context column.
        DataError: If it reads a column that does not exist, or compares one with a value that it never has.
    """
    rows, batch = Rows(where), log.batch()
    context = [column for column in rows.columns if column in log.schema.context_features]
    if context:
        raise ConfigError(
            f"condition {where!r} reads the context {context[0]!r}, which is not saved with a model; declare it as a "
            "signal, or select rows by another column"
        )
    batch = batch if where is None else batch.take(rows.chosen(batch))
    known = batch.items > 0
    return History.of(batch if known.all() else batch.take(known), len(log.users), len(log.items))
