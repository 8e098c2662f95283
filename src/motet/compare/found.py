"""Sweep: what trainings with many settings led to, and their front."""

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
    """What a sweep found.

    Attributes:
        objectives: Keys of the figures, all of validation rows.
        trials: In the order in which they were chosen.
        yardstick: What simple rules reach, and how the rows were chosen.
    """

    objectives: tuple[str, ...]
    trials: tuple[Trial, ...]
    yardstick: Yardstick

    @property
    def front(self) -> tuple[Trial, ...]:
        """The trials that no other beats in every objective."""
        kept = pareto_front(self._points, lower=self._lower).tolist()
        return tuple(trial for trial, on in zip(self.trials, kept, strict=True) if on)

    @property
    def reference(self) -> dict[str, float]:
        """Where the hypervolume starts: what the best simple rule reaches, or the worst trial where there is none."""
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
        """How much the front covers beyond the reference."""
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
            A row a trial: its number, its state, whether it is on the front, its settings, its objectives.
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
        """The trials for the terminal: those on the front marked, those dominated grey, simple rules below.

        Returns:
            One line a trial.
        """
        from motet.compare.sweep_table import sweep_table

        return sweep_table(self)
