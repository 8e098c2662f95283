"""Combines trials: means over seeds, paired differences, and the gain of each task."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations
from statistics import fmean

import torch
from torch import Tensor

from motet.compare.comparison import Estimate, System, Versus, outcome, speaks_of
from motet.compare.objective import relative_gain, voice
from motet.compare.systems import Contender
from motet.compare.trial import Trial
from motet.evaluation.intervals import Interval, interval
from motet.metrics.base import Bias


@dataclass(frozen=True)
class Seeds:
    """A metric for every seed and every bootstrap sample of users.

    Attributes:
        by_seed: Value for each seed, NaN if training failed; shape [seeds].
        draws: Values in bootstrap samples; shape [seeds, draws].
        bias: Bounds of the metric's upward bias by chance, lower and upper; shape [seeds, 2].
        users: Number of users it was measured on; for a combination of metrics, the smallest.
    """

    by_seed: Tensor
    draws: Tensor
    bias: Tensor
    users: int

    def on(self, kept: Tensor) -> Seeds:
        """Select seeds.

        Args:
            kept: Mask of the seeds to keep.

        Returns:
            The metric for these seeds.
        """
        return Seeds(self.by_seed[kept], self.draws[kept], self.bias[kept], self.users)

    def times(self, scale: float) -> Seeds:
        """Multiply by a constant.

        Args:
            scale: The constant.

        Returns:
            The scaled metric.
        """
        return Seeds(self.by_seed * scale, self.draws * scale, self.bias * scale, self.users)

    def less(self, other: Seeds) -> Seeds:
        """Subtract the metric of another system, paired by seed and by sample of users.

        Args:
            other: The same metric on the same seeds.

        Returns:
            The difference.
        """
        users = min(self.users, other.users)
        return Seeds(self.by_seed - other.by_seed, self.draws - other.draws, self.bias - other.bias.flip(1), users)

    @property
    def known(self) -> Tensor:
        """Mask of the seeds with a value."""
        return ~self.by_seed.isnan()

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return float(self.by_seed.mean())

    def estimate(self, level: float) -> Estimate:
        """Mean over the seeds with a value, and its interval.

        Args:
            level: Confidence level.

        Returns:
            The estimate; see `motet.evaluation.intervals.interval`.
        """
        own = self.on(self.known)
        bias, draws = Bias(*own.bias.mean(0).tolist()), own.draws.mean(0)
        low, high = interval(own.mean, draws, users=own.users, level=level, bias=bias, by_seed=own.by_seed)
        return Estimate(value=own.mean, low=low, high=high)


class Tally:
    """All metrics of one system.

    Args:
        contender: The system.
        trials: Its trials, one for each seed.
        draws: Number of bootstrap samples of users.
    """

    def __init__(self, contender: Contender, *, trials: Sequence[Trial], draws: int) -> None:
        self.contender = contender
        self.trials = trials
        keys = dict.fromkeys(key for trial in trials for key in trial.figures)
        self.figures = {key: self._seeds(key, draws) for key in keys}

    def _seeds(self, key: str, draws: int) -> Seeds:
        def told(name: str, size: int) -> Tensor:
            nothing = [math.nan] * size
            found = [trial.memory[name][key] if key in trial.figures else nothing for trial in self.trials]
            return torch.tensor(found, dtype=torch.float64)

        by_seed = torch.tensor([trial.figure(key) for trial in self.trials], dtype=torch.float64)
        users = min(trial.memory["users"][key] for trial in self.trials if key in trial.figures)
        return Seeds(by_seed, told("draws", draws), told("bias", 2), users)

    def system(self, level: float) -> System:
        """Convert to the form that is written to the file.

        Args:
            level: Confidence level of the intervals.

        Returns:
            The system.
        """
        return System(
            name=self.contender.name,
            kind=self.contender.kind,
            task=self.contender.task,
            figures={key: _within(key, seeds.estimate(level)) for key, seeds in self.figures.items()},
            by_seed={key: seeds.by_seed.tolist() for key, seeds in self.figures.items()},
            histories=[list(trial.memory.get("history", [])) for trial in self.trials],
            seconds=[trial.seconds for trial in self.trials],
            errors=[trial.error for trial in self.trials],
        )


def _within(key: str, own: Estimate) -> Estimate:
    low, high = Interval(own.low, own.high).clipped(key)
    return Estimate(value=own.value, low=low, high=high)


def versus(joint: Tally, other: Tally, headlines: Mapping[str, str], level: float) -> Iterator[Versus]:
    """Compare the joint model with another system in every metric that both have.

    Args:
        joint: Metrics of the joint model.
        other: Metrics of the other system. A specialist is compared in its own task and in the lists that users get.
        headlines: Keys of the headline metrics, by `voice`.
        level: Confidence level of the intervals.

    Yields:
        Paired differences over the seeds on which both were trained.
    """
    for key in joint.figures:
        speaker = voice(key)
        own = speaks_of(other.contender.task, speaker)
        if key not in other.figures or speaker not in headlines or not own:
            continue
        kept = joint.figures[key].known & other.figures[key].known
        if not kept.any():
            continue
        mine, theirs = joint.figures[key].on(kept), other.figures[key].on(kept)
        difference = mine.less(theirs).estimate(level)
        yield Versus(
            system=other.contender.name,
            task=speaker,
            key=key,
            headline=headlines[speaker] == key,
            joint=mine.mean,
            other=theirs.mean,
            difference=difference,
            gain=_gain(key, mine, theirs).estimate(level),
            outcome=outcome(key, difference),
        )


def mean_gain(joint: Tally, alone: Mapping[str, Tally], headlines: Mapping[str, str], level: float) -> Estimate | None:
    r"""Mean over the tasks of the relative gain over their specialists.

    $$ \Delta_m = \frac{1}{T} \sum_t \pm \frac{joint_t - alone_t}{|alone_t|} $$

    The gain of a task with several outputs, such as a funnel, is the mean of their gains.

    Args:
        joint: Metrics of the joint model.
        alone: Metrics of the specialists, by task.
        headlines: Keys of the headline metrics, by `voice`.
        level: Confidence level of the interval.

    Returns:
        The mean over the seeds on which all were trained; None if there is no such seed, or a specialist scores 0.

    Source:
        Maninis et al., "Attentive Single-Tasking of Multiple Tasks", CVPR 2019, eq. 4; Vandenhende et al., "Multi-Task
        Learning for Dense Prediction Tasks: A Survey", TPAMI 2021, section 4.1.
    """
    pairs = {
        task: [
            (key, joint.figures[key], other.figures.get(key))
            for name, key in headlines.items()
            if name.partition("/")[0] == task
        ]
        for task, other in alone.items()
    }
    found = {task: [(key, mine, each) for key, mine, each in own if each is not None] for task, own in pairs.items()}
    if not found or any(len(found[task]) < max(len(own), 1) for task, own in pairs.items()):
        return None
    both = [seeds for own in found.values() for _, mine, theirs in own for seeds in (mine, theirs)]
    kept = reduce(torch.logical_and, [seeds.known for seeds in both])
    if not kept.any():
        return None
    tasks = [_mean([_gain(key, mine.on(kept), theirs.on(kept)) for key, mine, theirs in own]) for own in found.values()]
    gain = _mean(tasks).estimate(level)
    return None if math.isnan(gain.value) else gain


def conflicts(joint: Sequence[Trial], tasks: Sequence[str]) -> dict[str, dict[str, float]]:
    """Mean cosine between the gradients of tasks in joint training.

    Args:
        joint: Trials of the joint model.
        tasks: Names of the tasks.

    Returns:
        By task and other task, the mean over epochs and seeds. Below 0, the tasks conflict.
    """
    epochs = [row for trial in joint for row in trial.memory.get("history", [])]
    found: dict[str, dict[str, float]] = {task: {} for task in tasks}
    for a, b in combinations(tasks, 2):
        keys = (f"cosine/{a}/{b}", f"cosine/{b}/{a}")
        known = [row[key] for row in epochs for key in keys if not math.isnan(row.get(key, math.nan))]
        if known:
            found[a][b] = found[b][a] = fmean(known)
    return found


def _gain(key: str, mine: Seeds, theirs: Seeds) -> Seeds:
    """The difference divided by the mean of the other system's metric.

    The divisor is a constant, so that the interval of the gain excludes 0 exactly if that of the difference does. With
    the ratio of each sample instead, it might include 0.
    """
    scale = relative_gain(key, theirs.mean + 1, theirs.mean)  # gain of a difference of 1
    return mine.less(theirs).times(scale)


def _mean(gains: Sequence[Seeds]) -> Seeds:
    columns = zip(*((each.by_seed, each.draws, each.bias) for each in gains), strict=True)
    by_seed, draws, bias = (torch.stack(column).mean(0) for column in columns)
    return Seeds(by_seed, draws, bias, min(each.users for each in gains))
