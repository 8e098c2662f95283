"""What trials say together: means over seeds, paired differences, and the gain of each task."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations
from statistics import fmean

import torch
from torch import Tensor

from motet.compare.comparison import Estimate, Outcome, System, Versus
from motet.compare.estimate import estimate
from motet.compare.objective import relative_gain
from motet.compare.systems import Contender
from motet.compare.trial import Trial
from motet.metrics.direction import lower_is_better


@dataclass(frozen=True)
class Seeds:
    """A figure on every seed, and in samples of users.

    Attributes:
        by_seed: NaN where the system could not be trained; shape [seeds].
        draws: Shape [seeds, draws].
    """

    by_seed: Tensor
    draws: Tensor

    def on(self, kept: Tensor) -> Seeds:
        """On some of the seeds.

        Args:
            kept: Which.

        Returns:
            Less figures.
        """
        return Seeds(self.by_seed[kept], self.draws[kept])

    @property
    def known(self) -> Tensor:
        """On which seeds there is a figure."""
        return ~self.by_seed.isnan()

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return float(self.by_seed.mean())

    def estimate(self, level: float) -> Estimate:
        """The mean over the seeds it is known on.

        Args:
            level: Of the interval.

        Returns:
            See `motet.compare.estimate.estimate`.
        """
        own = self.on(self.known)
        return estimate(own.mean, own.by_seed, own.draws.mean(0), level)


class Tally:
    """Figures of one system, by key.

    Args:
        contender: The system.
        trials: Its trials, one a seed.
        draws: How many samples of users each has.
    """

    def __init__(self, contender: Contender, *, trials: Sequence[Trial], draws: int) -> None:
        self.contender = contender
        self.trials = trials
        keys = dict.fromkeys(key for trial in trials for key in trial.figures)
        nothing = [math.nan] * draws
        self.figures = {
            key: Seeds(
                torch.tensor([trial.figure(key) for trial in trials], dtype=torch.float64),
                torch.tensor(
                    [trial.memory.get("draws", {}).get(key, nothing) for trial in trials], dtype=torch.float64
                ),
            )
            for key in keys
        }

    def system(self, level: float) -> System:
        """As the file has it.

        Args:
            level: Of the intervals.

        Returns:
            The system.
        """
        return System(
            name=self.contender.name,
            kind=self.contender.kind,
            task=self.contender.task,
            figures={key: seeds.estimate(level) for key, seeds in self.figures.items()},
            by_seed={key: seeds.by_seed.tolist() for key, seeds in self.figures.items()},
            histories=[list(trial.memory.get("history", [])) for trial in self.trials],
            seconds=[trial.seconds for trial in self.trials],
            errors=[trial.error for trial in self.trials],
        )


def versus(joint: Tally, other: Tally, headlines: Mapping[str, str], level: float) -> Iterator[Versus]:
    """The joint model beside another system, in every figure that both have.

    Args:
        joint: Its figures.
        other: Those of the other; of a specialist, its own task's count.
        headlines: The key that speaks for each task.
        level: Of the intervals.

    Yields:
        Paired differences, over the seeds that both were trained on.
    """
    only = other.contender.task
    for key in joint.figures:
        task = key.partition("/")[0]
        if key not in other.figures or task not in headlines or only not in (None, task):
            continue
        kept = joint.figures[key].known & other.figures[key].known
        if not kept.any():
            continue
        mine, theirs = joint.figures[key].on(kept), other.figures[key].on(kept)
        difference = Seeds(mine.by_seed - theirs.by_seed, mine.draws - theirs.draws).estimate(level)
        yield Versus(
            system=other.contender.name,
            task=task,
            key=key,
            headline=headlines[task] == key,
            joint=mine.mean,
            other=theirs.mean,
            difference=difference,
            gain=_estimated([_gain(key, mine, theirs)], level),
            outcome=_outcome(key, difference),
        )


def mean_gain(joint: Tally, alone: Mapping[str, Tally], headlines: Mapping[str, str], level: float) -> Estimate | None:
    r"""The mean over the tasks of the relative gain over their specialists.

    $$ \Delta_m = \frac{1}{T} \sum_t \pm \frac{joint_t - alone_t}{|alone_t|} $$

    Args:
        joint: The joint model's figures.
        alone: Those of the specialists, by task.
        headlines: The key that speaks for each task.
        level: Of the interval.

    Returns:
        The mean over the seeds that all were trained on; None where there is no such seed.

    Source:
        Maninis et al., "Attentive Single-Tasking of Multiple Tasks", CVPR 2019, eq. 4; Vandenhende et al., "Multi-Task
        Learning for Dense Prediction Tasks: A Survey", TPAMI 2021, eq. 1.
    """
    pairs = [(key, joint.figures[key], alone[task].figures.get(key)) for task, key in headlines.items()]
    found = [(key, mine, theirs) for key, mine, theirs in pairs if theirs is not None]
    if not found or len(found) < len(alone):
        return None
    kept = reduce(torch.logical_and, [seeds.known for _, mine, theirs in found for seeds in (mine, theirs)])
    if not kept.any():
        return None
    return _estimated([_gain(key, mine.on(kept), theirs.on(kept)) for key, mine, theirs in found], level)


def conflicts(joint: Sequence[Trial], tasks: Sequence[str]) -> dict[str, dict[str, float]]:
    """How the gradients of tasks lie to one another in joint training.

    Args:
        joint: Trials of the joint model.
        tasks: Their names.

    Returns:
        By task and other task, the mean of the cosine over epochs and seeds; below 0 they pull against each other.
    """
    epochs = [row for trial in joint for row in trial.memory.get("history", [])]
    found: dict[str, dict[str, float]] = {task: {} for task in tasks}
    for a, b in combinations(tasks, 2):
        keys = (f"cosine/{a}/{b}", f"cosine/{b}/{a}")
        known = [row[key] for row in epochs for key in keys if not math.isnan(row.get(key, math.nan))]
        if known:
            found[a][b] = found[b][a] = fmean(known)
    return found


@dataclass(frozen=True)
class _Gain:
    """A relative gain: of the means over seeds, of each seed, and of every sample of users."""

    value: float
    by_seed: Tensor
    draws: Tensor


def _gain(key: str, mine: Seeds, theirs: Seeds) -> _Gain:
    gain: Callable[[Tensor, Tensor], Tensor] = lambda a, b: torch.tensor(  # noqa: E731
        [relative_gain(key, x, y) for x, y in zip(a.tolist(), b.tolist(), strict=True)], dtype=torch.float64
    )
    return _Gain(
        relative_gain(key, mine.mean, theirs.mean),
        gain(mine.by_seed, theirs.by_seed),
        gain(mine.draws.mean(0), theirs.draws.mean(0)),
    )


def _estimated(gains: Sequence[_Gain], level: float) -> Estimate:
    """The mean of gains."""
    by_seed = torch.stack([each.by_seed for each in gains]).mean(0)
    draws = torch.stack([each.draws for each in gains]).mean(0)
    return estimate(fmean(each.value for each in gains), by_seed, draws, level)


def _outcome(key: str, difference: Estimate) -> Outcome:
    if difference.low <= 0 <= difference.high or math.isnan(difference.low):
        return "undecided"
    return "better" if (difference.value < 0) == lower_is_better(key) else "worse"
