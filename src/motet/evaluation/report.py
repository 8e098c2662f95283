"""Report: what an evaluation found, and on what."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from motet.errors import DataError, did_you_mean
from motet.evaluation.evidence import Evidence
from motet.evaluation.intervals import Difference, Interval, interval, resample
from motet.metrics.reliability import ReliabilityCurve

if TYPE_CHECKING:
    from rich.table import Table


class Judged(NamedTuple):
    """How much a figure was measured on."""

    users: int
    rows: int


@dataclass(frozen=True, eq=False)
class Report(Mapping[str, float]):
    """Figures by key: `"rating/rmse"`, `"retrieval/unseen/hit_rate@10"`.

    It prints as a table, with the same figures of simple rules beside and the notes below. Two reports are equal if
    their figures are.

    Attributes:
        figures: Of the system that was evaluated.
        beside: The same figures of simple rules, by their name.
        notes: What was measured on what, a sentence each.
        seconds: How long the evaluation took.
        evidence: The judged rows, from which intervals are drawn.
        slices: The same figures of some of the rows, by `family: slice`.
        warnings: What makes the figures doubtful: leaks, and rows of users or items that training lacks.
        curves: What happened beside each probability that was given: `click/mass`, `funnel/buy/width`,
            `rating/>= 4/mass`; in bins of equal width and of equal mass.

    Example:
        >>> report = Report({"rating/rmse": 0.91}, beside={"global mean": Report({"rating/rmse": 1.13})})
        >>> report["rating/rmse"]
        0.91
    """

    figures: Mapping[str, float]
    beside: Mapping[str, Report] = field(default_factory=dict)
    notes: Sequence[str] = ()
    seconds: float = math.nan
    evidence: Sequence[Evidence] = field(default=(), repr=False)
    slices: Mapping[str, Report] = field(default_factory=dict, repr=False)
    warnings: Sequence[str] = ()
    curves: Mapping[str, ReliabilityCurve] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, evidence: Sequence[Evidence]) -> Self:
        """The figures of some evidence.

        Args:
            evidence: Judged rows.

        Returns:
            A report without notes.
        """
        figures = {key: figure for part in evidence for key, figure in part.figures().items()}
        return cls(figures, evidence=evidence)

    def __getitem__(self, key: str) -> float:
        if key not in self.figures:
            raise KeyError(f"{key!r} is not in the report{did_you_mean(key, self.figures)}")
        return self.figures[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.figures)

    def __len__(self) -> int:
        return len(self.figures)

    def judged(self, key: str) -> Judged:
        """How much a figure was measured on.

        Args:
            key: Of the figure.

        Returns:
            The number of users and of rows that counted.

        Raises:
            DataError: If the report does not keep its evidence.
        """
        part = self._evidence(key)
        return Judged(len(part.users.unique()), len(part))

    def interval(self, key: str, *, level: float = 0.95, draws: int = 1000, seed: int = 0) -> Interval:
        """Where the figure of all users there could be lies, as far as the users of the test can tell.

        Users are drawn with replacement, each with all their rows, because rows of one user are no independent
        witnesses; see `motet.evaluation.intervals.interval`. What training would have made of other rows is not in it:
        repeat with several seeds for that.

        Args:
            key: Of the figure.
            level: The share of such intervals that hold the truth.
            draws: How many samples of users; 1,000 settle the second digit of the width.
            seed: Of the samples.

        Returns:
            Low and high.

        Raises:
            ConfigError: If the level is not between 0 and 1, or there are fewer than 2 draws.
            DataError: If fewer than 2 users were judged, or the report does not keep its evidence.
        """
        figures, users, bias = resample(self._evidence(key), [key], draws=draws, seed=seed)
        return interval(self[key], figures[:, 0], users=users, level=level, bias=bias[0])

    def intervals(self, *, level: float = 0.95, draws: int = 1000, seed: int = 0) -> dict[str, Interval]:
        """The interval of every figure that has one: of 2 users or more, and not NaN.

        Args:
            level: The share of such intervals that hold the truth.
            draws: How many samples of users.
            seed: Of the samples.

        Returns:
            Intervals by key.

        Raises:
            ConfigError: If the level is not between 0 and 1, or there are fewer than 2 draws.
        """
        found = {}
        for part in self.evidence:
            keys = [key for key in part.keys if not math.isnan(self.figures.get(key, math.nan))]
            if keys and len(part.users.unique()) > 1:
                figures, users, bias = resample(part, keys, draws=draws, seed=seed)
                for key, column, each in zip(keys, figures.T, bias, strict=True):
                    found[key] = interval(self[key], column, users=users, level=level, bias=each)
        return found

    def versus(
        self,
        other: Report,
        key: str,
        other_key: str | None = None,
        *,
        level: float = 0.95,
        draws: int = 1000,
        seed: int = 0,
    ) -> Difference:
        """How much higher a figure is here than in another system's report, on the same users.

        Both systems are asked of the same samples of users: what makes a sample easy or hard for both cancels, and the
        interval is narrower than those of the two figures suggest. If it holds 0, the test does not tell them apart.

        Args:
            other: The report of the other system on the same test rows: `report.beside["popularity"]`, for one.
            key: Of the figure.
            other_key: Of the figure in the other report, where its task has another name.
            level: The share of such intervals that hold the truth.
            draws: How many samples of users.
            seed: Of the samples.

        Returns:
            The difference, and its interval. For an error such as `rmse`, below 0 is better.

        Raises:
            ConfigError: If the level is not between 0 and 1, or there are fewer than 2 draws.
            DataError: If the two were not judged on the same rows, fewer than 2 users were judged, or a report does
                not keep its evidence.
        """
        other_key = key if other_key is None else other_key
        mine, theirs = self._evidence(key), other._evidence(other_key)
        if not mine.same_rows(theirs):
            raise DataError(
                f"{key!r} was measured on {len(mine):,} rows and {other_key!r} of the other report on "
                f"{len(theirs):,}, which are not the same; a paired difference needs both systems judged by one test "
                "log, with the same rows and weights"
            )
        first = resample(mine, [key], draws=draws, seed=seed)
        second = resample(theirs, [other_key], draws=draws, seed=seed)
        value, figures = self[key] - other[other_key], (first.figures - second.figures)[:, 0]
        bias = first.bias[0].less(second.bias[0])
        return Difference(value, *interval(value, figures, users=first.users, level=level, bias=bias))

    def to_dict(self, *, level: float | None = None) -> dict[str, Any]:
        """All of it as dictionaries, lists, texts and numbers.

        Args:
            level: Of the intervals to add; none where not given.

        Returns:
            `figures`, `beside`, `notes`, `warnings`, `curves`, `seconds`, `slices`; `intervals` where asked for.
        """
        found: dict[str, Any] = {
            "figures": dict(self.figures),
            "beside": {name: dict(figures) for name, figures in self.beside.items()},
            "notes": list(self.notes),
            "warnings": list(self.warnings),
            "curves": {name: vars(curve) for name, curve in self.curves.items()},
            "seconds": self.seconds,
            "slices": {name: part._slice(level) for name, part in self.slices.items()},
        }
        return found | self._as_lists(level)

    def to_json(self, *, level: float | None = None) -> str:
        """All of it as one JSON document; a figure without rows is null.

        Args:
            level: Of the intervals to add; none where not given.

        Returns:
            The document.
        """
        return json.dumps(_without_nan(self.to_dict(level=level)))

    def table(self, *, level: float | None = None) -> Table:
        """The figures as a table for the terminal.

        Args:
            level: Of the intervals to add; none where not given.

        Returns:
            One line a figure: the system's, its interval where asked for, then that of each rule.
        """
        from motet.evaluation.table import figures

        return figures(self, level)

    def text(self, *, level: float | None = None) -> str:
        """The table, those of the slices, and the notes.

        Args:
            level: Of the intervals to add; none where not given.

        Returns:
            Lines of at most 100 characters.
        """
        from motet.evaluation.table import printed

        return printed(self, level)

    def __str__(self) -> str:
        return self.text()

    def _slice(self, level: float | None) -> dict[str, Any]:
        judged = {key: self.judged(key)._asdict() for key in self}
        return {"figures": dict(self.figures), "judged": judged, **self._as_lists(level)}

    def _as_lists(self, level: float | None) -> dict[str, Any]:
        if level is None:
            return {}
        return {"intervals": {key: list(ends) for key, ends in self.intervals(level=level).items()}}

    def _evidence(self, key: str) -> Evidence:
        self[key]  # an unknown key is named
        for part in self.evidence:
            if key in part.keys:
                return part
        raise DataError(f"the report keeps no rows of {key!r}, only the figure; take one that `evaluate` returned")


def _without_nan(value: object) -> object:
    """JSON has no NaN."""
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
