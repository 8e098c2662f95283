"""Report: the result of an evaluation."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from motet.errors import DataError, check_types, did_you_mean
from motet.evaluation.evidence import Evidence
from motet.evaluation.intervals import Difference, Interval, interval, resample
from motet.metrics.reliability import ReliabilityCurve

if TYPE_CHECKING:
    from rich.table import Table


class Judged(NamedTuple):
    """The size of the sample that a metric was measured on."""

    users: int
    rows: int


@dataclass(frozen=True, eq=False)
class Report(Mapping[str, float]):
    """Metrics by key: `"rating/rmse"`, `"retrieval/unseen/hit_rate@10"`.

    It prints as a table, with the same metrics of simple rules in further columns and notes below. Two reports are
    equal if their metrics are.

    Attributes:
        figures: Metrics of the evaluated system.
        beside: The same metrics of simple rules, by the name of the rule.
        notes: How the metrics were measured, one sentence each.
        seconds: Duration of the evaluation.
        evidence: The scored rows, from which intervals are computed.
        slices: The same metrics on some of the rows, by `family: slice`, with those of the simple rules `beside`.
        warnings: Reasons to doubt the metrics: leaks, and test rows whose users or items have no training row.
        curves: Reliability curves of predicted probabilities: `click/mass`, `funnel/buy/width`, `rating/>= 4/mass`;
            in bins of equal width and of equal mass.

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
        """Compute the metrics of some evidence.

        Args:
            evidence: Scored rows.

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
        """The number of users and rows that a metric was measured on.

        Args:
            key: Key of the metric.

        Returns:
            The numbers of users and of rows.

        Raises:
            DataError: If the report does not keep its evidence.
        """
        part = self._evidence(key)
        return Judged(len(part.users.unique()), len(part))

    def interval(self, key: str, *, level: float = 0.95, draws: int = 1000, seed: int = 0) -> Interval:
        """A confidence interval for a metric, by a bootstrap over users.

        Users are drawn with replacement, each with all their rows, because rows of one user are not independent; see
        `motet.evaluation.intervals.interval`. It does not cover the variation between trainings: repeat the training
        with several seeds for that.

        Args:
            key: Key of the metric.
            level: Confidence level.
            draws: Number of bootstrap samples; 1,000 give two digits of the width.
            seed: Seed of the samples.

        Returns:
            Low and high, within the range of the metric.

        Raises:
            ConfigError: If the level is not between 0 and 1, or there are fewer than 2 draws.
            DataError: If fewer than 2 users were judged, or the report does not keep its evidence.
        """
        figures, users, bias = resample(self._evidence(key), [key], draws=draws, seed=seed)
        return interval(self[key], figures[:, 0], users=users, level=level, bias=bias[0]).clipped(key)

    def intervals(self, *, level: float = 0.95, draws: int = 1000, seed: int = 0) -> dict[str, Interval]:
        """The interval of every metric that has one: measured on at least 2 users, and not NaN.

        Args:
            level: Confidence level.
            draws: Number of bootstrap samples.
            seed: Seed of the samples.

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
                    found[key] = interval(self[key], column, users=users, level=level, bias=each).clipped(key)
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
        """The paired difference of a metric between this report and another.

        Both systems are compared on the same samples of users. What makes a sample easy or hard for both cancels out,
        so the interval is narrower than the intervals of the two metrics suggest. If it contains 0, the test cannot
        tell the systems apart.

        Args:
            other: A report on the same test rows, such as `report.beside["popularity"]`.
            key: Key of the metric.
            other_key: Its key in the other report, if the task has another name there.
            level: Confidence level.
            draws: Number of bootstrap samples.
            seed: Seed of the samples.

        Returns:
            This metric minus the other, and its interval. For an error such as `rmse`, below 0 is better.

        Raises:
            ConfigError: If `other` is no `Report`, the level is not between 0 and 1, or there are fewer than 2 draws.
            DataError: If the two were not measured on the same rows, there are fewer than 2 users, or a report has no
                evidence.
        """
        check_types(Report, "pass what evaluate returned", other=other)
        other_key = key if other_key is None else other_key
        mine, theirs = self._evidence(key), other._evidence(other_key)
        if not mine.same_rows(theirs):
            raise DataError(
                f"{key!r} was measured on {len(mine):,} rows and {other_key!r} of the other report on "
                f"{len(theirs):,} other rows; a paired difference needs both systems evaluated on the same test rows, "
                "with the same weights"
            )
        first = resample(mine, [key], draws=draws, seed=seed)
        second = resample(theirs, [other_key], draws=draws, seed=seed)
        value, figures = self[key] - other[other_key], (first.figures - second.figures)[:, 0]
        bias = first.bias[0].less(second.bias[0])
        return Difference(value, *interval(value, figures, users=first.users, level=level, bias=bias))

    def to_dict(self, *, level: float | None = None) -> dict[str, Any]:
        """The report as dictionaries, lists, text and numbers.

        Args:
            level: Confidence level of the intervals to add; None for no intervals.

        Returns:
            `figures`, `beside`, `notes`, `warnings`, `curves`, `seconds`, `slices`; with a level, `intervals`.
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
        """The report as one JSON document; a metric without rows is null.

        Args:
            level: Confidence level of the intervals to add; None for no intervals.

        Returns:
            The document.
        """
        return json.dumps(_without_nan(self.to_dict(level=level)))

    def table(self, *, level: float | None = None) -> Table:
        """The metrics as a table for the terminal.

        Args:
            level: Confidence level of the intervals to add; None for no intervals.

        Returns:
            One line per metric: the value of the system, its interval, and the value of each rule.
        """
        from motet.evaluation.table import figures

        return figures(self, level)

    def text(self, *, level: float | None = None) -> str:
        """The table, the tables of the slices, and the notes.

        Args:
            level: Confidence level of the intervals to add; None for no intervals.

        Returns:
            Lines of at most 100 characters.
        """
        from motet.evaluation.table import printed

        return printed(self, level)

    def __str__(self) -> str:
        return self.text()

    def _slice(self, level: float | None) -> dict[str, Any]:
        judged = {key: self.judged(key)._asdict() for key in self}
        beside = {name: dict(rule.figures) for name, rule in self.beside.items()}
        return {"figures": dict(self.figures), "judged": judged, "beside": beside, **self._as_lists(level)}

    def _as_lists(self, level: float | None) -> dict[str, Any]:
        if level is None:
            return {}
        return {"intervals": {key: list(ends) for key, ends in self.intervals(level=level).items()}}

    def _evidence(self, key: str) -> Evidence:
        self[key]  # raises for an unknown key
        for part in self.evidence:
            if key in part.keys:
                return part
        raise DataError(f"the report has no rows for {key!r}, only the value; use a report that `evaluate` returned")


def _without_nan(value: object) -> object:
    """JSON has no NaN."""
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
