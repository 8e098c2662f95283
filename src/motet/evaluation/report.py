"""Report: what an evaluation found, and on what."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from motet.errors import did_you_mean

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Report(Mapping[str, float]):
    """Figures by key: `"rating/rmse"`, `"retrieval/unseen/hit_rate@10"`.

    It prints as a table, with the same figures of simple rules beside and the notes below.

    Attributes:
        figures: Of the system that was evaluated.
        beside: The same figures of simple rules, by their name.
        notes: What was measured on what, a sentence each.
        seconds: How long the evaluation took.

    Example:
        >>> report = Report({"rating/rmse": 0.91}, beside={"global mean": {"rating/rmse": 1.13}})
        >>> report["rating/rmse"]
        0.91
    """

    figures: Mapping[str, float]
    beside: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    notes: Sequence[str] = ()
    seconds: float = math.nan

    def __getitem__(self, key: str) -> float:
        if key not in self.figures:
            raise KeyError(f"{key!r} is not in the report{did_you_mean(key, self.figures)}")
        return self.figures[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.figures)

    def __len__(self) -> int:
        return len(self.figures)

    def to_json(self) -> str:
        """All of it as one JSON document; a figure without rows is null."""
        return json.dumps(_without_nan(asdict(self)))

    def table(self) -> Table:
        """The figures as a table for the terminal.

        Returns:
            One line a figure: the system's, then that of each rule.
        """
        from rich.table import Table

        table = Table("task", "protocol", "metric", *("this", *self.beside))
        for column in table.columns[3:]:
            column.justify = "right"
        for key, figure in self.figures.items():
            task, *protocol, metric = key.split("/")
            cells = [figure, *(figures.get(key, math.nan) for figures in self.beside.values())]
            table.add_row(
                task, *(protocol or [""]), metric, *("-" if math.isnan(cell) else f"{cell:.4f}" for cell in cells)
            )
        return table

    def __str__(self) -> str:
        from rich.console import Console

        console = Console(width=100)
        with console.capture() as captured:
            console.print(self.table())
        return captured.get() + "\n".join(self.notes)


def _without_nan(value: object) -> object:
    """JSON has no NaN."""
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
