"""Divided: the rows of a project by purpose, with the columns and the pairs that are computed from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import torch

from motet.data.log import EventLog
from motet.data.neighbours import Neighbours
from motet.data.split import Split
from motet.project.logs import origin, with_features
from motet.project.part import Part


@dataclass(frozen=True, eq=False)
class Divided:
    """The rows of a log by purpose.

    Attributes:
        train: Training rows.
        validation: Rows to evaluate on in training; None if the file declares none.
        test: Test rows; None if there is no split.
        report: How they were chosen.
        pairs: Labelled pairs made from the training rows, to train on as well; None if the file declares none.
        lists: Lists drawn from the training rows, to train on as well; None if the file declares none.
    """

    train: EventLog
    validation: EventLog | None
    test: EventLog | None
    report: str
    pairs: EventLog | None = None
    lists: EventLog | None = None

    @property
    def made(self) -> list[EventLog]:
        """What was made from the training rows."""
        return [rows for rows in (self.pairs, self.lists) if rows is not None]

    @classmethod
    def of(cls, log: EventLog, *, split: Part | None, validation: Part | None, recent: Part | None) -> Self:
        """Split a log.

        Args:
            log: All rows.
            split: Chooses the test rows.
            validation: Chooses validation rows among the others.
            recent: Adds what each user had before a row.

        Returns:
            The rows.

        Raises:
            ConfigError: If a split does not suit the log.
        """
        train, test, held, reports = log, None, None, []
        if split is not None:
            found: Split = split.make(log)
            (train, test), reports = found, [found.report]
        if validation is not None:
            found = validation.make(train)
            (train, held), reports = found, [*reports, f"Validation rows: {found.report}"]
        if recent is not None:
            later = [None if part is None else recent.make(part, before=train) for part in (held, test)]
            train, (held, test) = recent.make(train), later
        return cls(train, held, test, " ".join(reports))

    def counted(self, features: Part) -> Self:
        """Add counts of each row's user with its item.

        Args:
            features: Counts the training rows.

        Returns:
            The rows.

        Raises:
            ConfigError: If the counts do not suit the log.
        """
        made = features.make(log=self.train)
        train, held, test = (
            None if part is None else with_features(part, made) for part in (self.train, self.validation, self.test)
        )
        assert train is not None
        return replace(self, train=train, validation=held, test=test)

    def paired(self, pairs: Part, features: Part) -> Self:
        """Make labelled pairs from the training rows.

        The rows themselves have no label: theirs is unknown.

        Args:
            pairs: Makes them.
            features: Says what their features are.

        Returns:
            The rows, with the pairs.

        Raises:
            MotetError: If the pairs do not suit the log.
        """

        def near(known: EventLog) -> Mapping[str, Neighbours]:
            parts: Mapping[str, Part] = features.given.get("near", {})
            return {kind: part.make(log=known) for kind, part in parts.items()}

        made: EventLog = pairs.make(self.train, near=near)
        (label,) = made.schema.signals
        train, held, test = (
            None if part is None else _unlabelled(part, label) for part in (self.train, self.validation, self.test)
        )
        assert train is not None
        return replace(self, train=train, validation=held, test=test, pairs=made)

    def listed(self, lists: Part) -> Self:
        """Draw lists from the training rows of the events.

        Args:
            lists: Draws them.

        Returns:
            The rows, with the lists.

        Raises:
            MotetError: If the lists do not suit the log.
        """
        events = self.train.take(origin(self.train) == 0)
        return replace(self, lists=lists.make(events))


def _unlabelled(rows: EventLog, label: str) -> EventLog:
    return replace(rows, columns={**rows.columns, label: torch.full((len(rows),), torch.nan)})
