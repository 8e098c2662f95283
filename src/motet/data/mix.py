"""Mix: batches from several logs, in a given ratio."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice

import torch
from torch import Tensor

from motet.data.batch import Batch, Loader
from motet.data.log import EventLog
from motet.errors import ConfigError, DataError


class Mix:
    """Logs for different tasks: clicks in one file, surveys in another.

    Every batch comes from a single log. A task skips batches from logs without its columns; a task that reads no
    column of its own (a `Retrieval` without `positives`) learns from every log. Context columns that a log lacks are
    unknown in its rows. Read further logs with the users and items of the first: `first.encode(source, schema=...)`.

    An epoch is one pass over the first log. The batches of the other logs are spread evenly among its batches, and the
    next epoch continues where they stopped.

    Args:
        logs: At least two, with the same users and items.
        ratio: Relative number of batches per log: `(3, 1)` is three of the first for one of the second. By default in
            proportion to their rows.

    Raises:
        ConfigError: If there are fewer than two logs, or the ratio is not one positive number per log.
        DataError: If the logs number users, items or categories differently, or only some have a time, or recent items
            have another length in each.

    Example:
        >>> import polars as pl
        >>> from motet.data.schema import Schema
        >>> clicks = EventLog.read(pl.DataFrame({"user_id": [1, 2, 2], "item_id": [5, 5, 6]}), Schema())
        >>> survey = pl.DataFrame({"user_id": [2], "item_id": [5], "stars": [4.0]})
        >>> mix = Mix([clicks, clicks.encode(survey, schema=Schema(signals=("stars",)))], ratio=(2, 1))
        >>> mix.log.columns["stars"]
        tensor([nan, nan, nan, 4.])
    """

    def __init__(self, logs: Sequence[EventLog], *, ratio: Sequence[float] | None = None) -> None:
        if len(logs) < 2:
            raise ConfigError(f"{len(logs)} log in a mix; it takes at least two")
        shares = tuple(len(log) for log in logs) if ratio is None else tuple(ratio)
        if len(shares) != len(logs) or not all(0 < share < float("inf") for share in shares):
            raise ConfigError(f"ratio={shares} for {len(logs)} logs; it must be one positive number per log")
        _check_alike(logs)
        _check_widths(logs)
        self.logs = tuple(logs)
        self.ratio = shares

    @cached_property
    def log(self) -> EventLog:
        """All logs concatenated; columns that a log lacks are unknown in its rows."""
        names = dict.fromkeys(name for log in self.logs for name in log.columns)
        columns = {name: torch.cat([self._column(log, name) for log in self.logs]) for name in names}
        vocabs = {name: vocab for log in self.logs for name, vocab in log.vocabs.items()}
        return replace(self.logs[0], columns=columns, vocabs=vocabs, together=1)

    def batch(self) -> Batch:
        """All rows as one batch; see `Columns`."""
        return self.log.batch()

    def heads(self, size: int) -> list[Batch]:
        """The first rows of each log, as training would see them.

        Args:
            size: The largest number of rows of each.

        Returns:
            One batch per log.
        """
        return [log.take(slice(0, size)).batch() for log in self._full()]

    def loader(self, *, batch_size: int = 8192, seed: int = 0, device: torch.device | str = "cpu") -> MixLoader:
        """Make the loader that `fit` reads.

        Args:
            batch_size: Rows per batch.
            seed: Seed of the row order.
            device: The device of the batches.

        Returns:
            The loader.
        """
        each = [
            Loader(log, batch_size=batch_size, seed=seed, device=device, together=log.together) for log in self._full()
        ]
        return MixLoader(each, self.ratio)

    def _full(self) -> list[EventLog]:
        """The logs, with the context columns that they lack unknown."""
        context = {name for log in self.logs for name in log.schema.context_features}
        return [
            replace(log, columns={**{name: self._column(log, name) for name in missing}, **log.columns})
            for log in self.logs
            for missing in [sorted(context - log.columns.keys())]
        ]

    def _column(self, log: EventLog, name: str) -> Tensor:
        """A column of a log, or unknown values if the log does not have it."""
        if name in log.columns:
            return log.columns[name]
        like = next(other.columns[name] for other in self.logs if name in other.columns)
        return like.new_full((len(log), *like.shape[1:]), torch.nan if like.is_floating_point() else 0)


class MixLoader:
    """Interleaves the batches of several loaders evenly.

    Args:
        loaders: One per log.
        ratio: Relative number of batches per loader.
    """

    def __init__(self, loaders: Sequence[Loader], ratio: Sequence[float]) -> None:
        self.loaders = tuple(loaders)
        self.steps = [max(1, round(len(loaders[0]) * share / ratio[0])) for share in ratio]

    def __len__(self) -> int:
        return sum(self.steps)

    def epoch(self, number: int) -> Iterator[Batch]:
        """Yield the batches of one epoch; the same number gives the same batches.

        Args:
            number: The epoch, from 0.

        Yields:
            Batches, each from one log.
        """
        streams = [_endless(loader, number * steps) for loader, steps in zip(self.loaders, self.steps, strict=True)]
        turns = [((step + 0.5) / steps, which) for which, steps in enumerate(self.steps) for step in range(steps)]
        for _, which in sorted(turns):
            yield next(streams[which])


def _endless(loader: Loader, start: int) -> Iterator[Batch]:
    """Yield batches epoch after epoch, beginning with batch `start`."""
    epoch, skip = divmod(start, len(loader))
    while True:
        yield from islice(loader.epoch(epoch), skip, None)
        epoch, skip = epoch + 1, 0


def _check_alike(logs: Sequence[EventLog]) -> None:
    """Check that rows mean the same users, items and categories in all logs."""
    first, how = logs[0], "read it with encode(source, schema=...) of the first log"
    vocabs = dict(first.vocabs)
    for number, log in enumerate(logs[1:], 2):
        for own, others in ((log.users, first.users), (log.items, first.items)):
            if own is not others and own.vocab != others.vocab:
                raise DataError(f"log {number} of the mix numbers {own.key!r} differently from the first; {how}")
        if log.schema.time != first.schema.time:
            raise DataError(
                f"the time column of the mix's first log is {first.schema.time!r}, but that of log {number} is "
                f"{log.schema.time!r}; use the same name in all logs, or none"
            )
        for name, vocab in log.vocabs.items():
            if vocabs.setdefault(name, vocab) != vocab:
                raise DataError(
                    f"log {number} of the mix numbers the values of {name!r} differently from a log before it; {how}"
                )


def _check_widths(logs: Sequence[EventLog]) -> None:
    """Check that columns of recent items have the same length in all logs."""
    widths: dict[str, int] = {}
    for number, log in enumerate(logs, 1):
        for name, column in log.columns.items():
            width = column.shape[1:].numel()
            if widths.setdefault(name, width) != width:
                raise DataError(
                    f"column {name!r} holds {width} values a row in log {number} of the mix, and {widths[name]} in one "
                    "before it; build it with the same length in all logs"
                )
