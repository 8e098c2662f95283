"""Samplers: choose the settings of the next trial, given the results of earlier ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from motet.compare.run import Propose
from motet.compare.space import Choice, Dimension, Settings
from motet.compare.trial import Trial
from motet.errors import ConfigError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.study import Study
    from optuna.trial import FrozenTrial

POPULATION = 20  # trials per generation: small, because a sweep has tens of trials rather than thousands
Sampler = Literal["grid", "gp", "tpe", "nsga2", "random"]


def listed(ways: Sequence[Settings]) -> Propose:
    """Propose given settings, one trial each, in order.

    Args:
        ways: The settings of each trial.

    Returns:
        A function that proposes the next trial.
    """
    return lambda number, ended, open_: Trial(number, ways[number]) if number < len(ways) else None  # noqa: ARG005


class Optuna:
    """Samplers of Optuna. A new study is made for each trial, which depends only on its number and on earlier trials.

    Args:
        dimensions: The values to try, by key.
        sampler: `"gp"` (a Gaussian process), `"tpe"`, `"nsga2"` or `"random"`.
        worth: Function of a trial that returns one number for each objective; higher is better.
        objectives: Number of objectives.
        seed: Seed of the sampler.
        start: Settings of the first trial, by key; those left out are drawn. If not given, all are drawn.

    Raises:
        ConfigError: If Optuna is not installed.
    """

    def __init__(
        self,
        *,
        dimensions: Mapping[str, Dimension],
        sampler: Sampler,
        worth: Callable[[Trial], Sequence[float]],
        objectives: int,
        seed: int,
        start: Settings | None = None,
    ) -> None:
        try:
            import optuna
        except ImportError as error:
            raise ConfigError(
                f"the sampler {sampler!r} needs Optuna; install it with: pip install 'motet[tune]'"
            ) from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna = optuna
        self._dimensions = dimensions
        self._sampler = sampler
        self._worth = worth
        self._directions: list[Literal["minimize", "maximize"]] = ["maximize"] * objectives
        self._seed = seed
        self._start = {} if start is None else start
        self._distributions = {key: self._distribution(each) for key, each in dimensions.items()}

    def __call__(self, number: int, ended: Sequence[Trial], open_: Sequence[Trial]) -> Trial:
        """Propose a trial.

        Args:
            number: Number of the trial.
            ended: Finished trials.
            open_: Running trials, whose settings should not be repeated.

        Returns:
            The trial to run.
        """
        study: Study = self._optuna.create_study(directions=self._directions, sampler=self._made(number))
        study.add_trials([self._told(each) for each in [*ended, *open_]])
        if self._start and not study.trials:
            study.enqueue_trial({key: self._encoded(key, value) for key, value in self._start.items()})
        asked = study.ask(self._distributions)
        memory = study.trials[asked.number].system_attrs if self._sampler == "nsga2" else {}
        settings = {key: self._decoded(key, asked.params[key]) for key in self._dimensions}
        return Trial(number, settings, memory=memory)

    def _made(self, number: int) -> BaseSampler:
        # One seed for each trial: with a single seed, every resumed run would draw the first numbers again.
        seed = (self._seed * 1_000_003 + number) % 2**32
        from optuna import samplers

        makes: dict[str, Callable[[], BaseSampler]] = {
            "gp": lambda: samplers.GPSampler(seed=seed),
            "nsga2": lambda: samplers.NSGAIISampler(seed=seed, population_size=POPULATION),
            "random": lambda: samplers.RandomSampler(seed=seed),
            "tpe": lambda: samplers.TPESampler(seed=seed, multivariate=True),
        }
        return makes[self._sampler]()

    def _told(self, trial: Trial) -> FrozenTrial:
        states = self._optuna.trial.TrialState
        worth = list(self._worth(trial)) if trial.finished else []
        state = states.RUNNING if not trial.finished else states.COMPLETE
        if trial.finished and (trial.state == "failed" or not all(map(math.isfinite, worth))):
            state, worth = states.FAIL, []
        elif trial.state == "pruned":
            state, worth = states.PRUNED, []
        return self._optuna.create_trial(
            state=state,
            values=worth or None,
            params={key: self._encoded(key, trial.settings[key]) for key in self._dimensions},
            distributions=self._distributions,
            system_attrs=dict(trial.memory),
            intermediate_values={epochs: each for epochs, each in trial.rungs.items() if math.isfinite(each)},
        )

    def _distribution(self, dimension: Dimension) -> BaseDistribution:
        from optuna import distributions as kinds

        if isinstance(dimension, Choice):  # by position, because Optuna does not support lists as values
            places = len(dimension.values)
            if all(isinstance(each, int | float) for each in dimension.values):
                return kinds.IntDistribution(0, places - 1)
            return kinds.CategoricalDistribution(list(range(places)))
        if dimension.whole:
            return kinds.IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
        return kinds.FloatDistribution(dimension.low, dimension.high, log=dimension.log)

    def _encoded(self, key: str, value: Any) -> Any:
        dimension = self._dimensions[key]
        return dimension.values.index(value) if isinstance(dimension, Choice) else value

    def _decoded(self, key: str, value: Any) -> Any:
        dimension = self._dimensions[key]
        if isinstance(dimension, Choice):
            return dimension.values[value]
        return dimension.nearest(value if dimension.whole else float(f"{value:.4g}"))  # rounded, it may be outside
