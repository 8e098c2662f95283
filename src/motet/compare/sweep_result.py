"""Sweep: the trials of a sweep, and their Pareto front."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl
import torch

from motet.compare.objective import Yardstick
from motet.compare.pareto import hypervolume, pareto_front
from motet.compare.trial import Trial
from motet.metrics.direction import lower_is_better

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Sweep:
    """The result of a sweep.

    Attributes:
        objectives: Keys of validation metrics.
        trials: All trials, in the order in which they were chosen.
        yardstick: Metrics of simple rules, and notes on the rows.
    """

    objectives: tuple[str, ...]
    trials: tuple[Trial, ...]
    yardstick: Yardstick

    @property
    def front(self) -> tuple[Trial, ...]:
        """The trials that no other trial dominates: as good in every objective, and better in one."""
        kept = pareto_front(self._points, lower=self._lower).tolist()
        return tuple(trial for trial, on in zip(self.trials, kept, strict=True) if on)

    @property
    def reference(self) -> dict[str, float]:
        """The reference point of the hypervolume: the best simple rule, or the worst trial if no rule applies."""
        rules = {key: self.yardstick.rule(key) for key in self.objectives}
        worst = {
            key: (max if lower_is_better(key) else min)(
                (trial.figure(key) for trial in self.trials if trial.state == "done"), default=math.nan
            )
            for key in self.objectives
        }
        return {key: worst[key] if math.isnan(rule) else rule for key, rule in rules.items()}

    @property
    def hypervolume(self) -> float:
        """The hypervolume of the front over the reference point."""
        reference = torch.tensor(list(self.reference.values()), dtype=torch.float64)
        return hypervolume(self._points, reference, lower=self._lower)

    @property
    def _points(self) -> torch.Tensor:
        figures = [[trial.figure(key) for key in self.objectives] for trial in self.trials]
        return torch.tensor(figures, dtype=torch.float64).reshape(len(figures), len(self.objectives))

    @property
    def _lower(self) -> list[bool]:
        return [lower_is_better(key) for key in self.objectives]

    def frame(self) -> pl.DataFrame:
        """The trials as a table for plots.

        Returns:
            One row per trial: number, state, whether it is on the front, settings and objectives.
        """
        front = {trial.number for trial in self.front}
        return pl.DataFrame(
            [
                {
                    "trial": trial.number,
                    "state": trial.state,
                    "front": trial.number in front,
                    **{key: str(value) if isinstance(value, list) else value for key, value in trial.settings.items()},
                    **{key: trial.figures.get(key) for key in self.objectives},
                }
                for trial in self.trials
            ],
            infer_schema_length=None,
        )

    def table(self) -> Table:
        """The trials as a table for the terminal.

        Returns:
            One row per trial; see `motet.compare.sweep_table`.
        """
        from motet.compare.sweep_table import sweep_table

        return sweep_table(self)
