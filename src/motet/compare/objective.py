"""Objectives: validation metrics of trainings, beside those of simple rules."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from motet.errors import ConfigError, did_you_mean
from motet.evaluation import evaluate
from motet.evaluation.corpus import PROTOCOLS
from motet.metrics.direction import lower_is_better
from motet.project import Project

# The headline metric of a task is the first of these that it has.
HEADLINES = ("unseen/ndcg", "rmse", "auc", "ndcg", "log_loss")


@dataclass(frozen=True)
class Yardstick:
    """What a project's validation rows can measure, before anything is trained.

    Attributes:
        keys: Keys of the metrics that have rows.
        beside: Metrics of simple rules, by the name of the rule.
        notes: How the rows were chosen and ranked, and which tasks have no metric.
        weights: Weight of each task's loss in the project.
        rows: Number of training rows.
    """

    keys: tuple[str, ...]
    beside: Mapping[str, Mapping[str, float]]
    notes: tuple[str, ...]
    weights: Mapping[str, float]
    rows: int = 0

    @classmethod
    def of(cls, project: Project) -> Yardstick:
        """Measure the simple rules.

        Args:
            project: A project with validation rows.

        Returns:
            The yardstick.

        Raises:
            ConfigError: If the project has no validation rows.
        """
        if project.validation is None:
            raise ConfigError(
                f"{project.name} has no validation rows, and test rows must not choose settings; add a "
                'table [validation] with kind = "random" and test = 0.1, or: '
                "--set validation.kind=random --set validation.test=.1"
            )
        log = project.log()
        rows = project.divide(log)
        assert rows.validation is not None
        model = project.model(rows.train)
        train = project.mix(model, rows)
        model.check(train)
        model.prepare(train)
        report = evaluate(model, rows.validation, train=rows.train, about=rows.report)
        keys = tuple(key for key, figure in report.items() if not math.isnan(figure))
        silent = [name for name in model.tasks if not any(key.startswith(f"{name}/") for key in keys)]
        return cls(
            keys,
            {name: dict(figures) for name, figures in report.beside.items()},
            (*report.notes, *map(_unmeasured, silent)),
            dict(model.weights),
            len(rows.train),
        )

    @property
    def trained(self) -> dict[str, float]:
        """The weights above 0."""
        return {name: weight for name, weight in self.weights.items() if weight > 0}

    def check(self, objectives: Sequence[str]) -> None:
        """Refuse objectives that cannot be measured.

        Args:
            objectives: Keys of metrics.

        Raises:
            ConfigError: If there is none, or the project has no such metric.
        """
        if not objectives:
            raise ConfigError(f"there is no objective; metrics of this project: {', '.join(self.keys)}")
        for key in objectives:
            if key not in self.keys:
                raise ConfigError(
                    f"{key!r} is not a validation metric of this project{did_you_mean(key, self.keys)} Metrics: "
                    f"{', '.join(self.keys)}."
                )

    def rule(self, key: str) -> float:
        """The metric of the best simple rule.

        Args:
            key: Key of the metric.

        Returns:
            Its value; NaN if no rule has it.
        """
        known = [figures[key] for figures in self.beside.values() if not math.isnan(figures.get(key, math.nan))]
        if not known:
            return math.nan
        return min(known) if lower_is_better(key) else max(known)


def _unmeasured(task: str) -> str:
    return f"Nothing can be concluded about {task}: it has no metric on the validation rows, and is no objective."


def voice(key: str) -> str:
    """The task, or the stage of a task, that a metric measures.

    Args:
        key: Key of the metric.

    Returns:
        Name of the task; of a task with several outputs, such as a funnel, task and stage.

    Example:
        >>> voice("find/unseen/mrr"), voice("stars/rmse"), voice("funnel/bought/auc")
        ('find', 'stars', 'funnel/bought')
    """
    task, *place, _ = key.split("/")
    return task if not place or place[0] in PROTOCOLS else f"{task}/{place[0]}"


def headlines(keys: Iterable[str], tasks: Iterable[str]) -> dict[str, str]:
    """The headline metric of each task, and of each stage of a task.

    Args:
        keys: Keys of all metrics.
        tasks: Names of the tasks.

    Returns:
        Keys by `voice`, in the order of the tasks: NDCG@10 of unseen items, else RMSE, else AUC, else the first metric.
        Tasks without a metric are left out.

    Example:
        >>> headlines(["stars/mae", "stars/rmse", "find/unseen/mrr"], ["stars", "find"])
        {'stars': 'stars/rmse', 'find': 'find/unseen/mrr'}
        >>> headlines(["funnel/clicked/ece", "funnel/clicked/auc", "funnel/bought/auc"], ["funnel"])
        {'funnel/clicked': 'funnel/clicked/auc', 'funnel/bought': 'funnel/bought/auc'}
    """
    own: dict[str, list[str]] = {}
    for task in tasks:
        for key in keys:
            if key.startswith(f"{task}/"):
                own.setdefault(voice(key), []).append(key)
    found = {}
    for name, each in own.items():
        wanted = [key for end in HEADLINES for key in each if key.partition("@")[0].endswith(f"/{end}")]
        found[name] = (wanted or each)[0]
    return found


def objectives(keys: Iterable[str], tasks: Iterable[str]) -> tuple[str, ...]:
    """One metric per task: its headline metric, for a funnel that of the last stage.

    Args:
        keys: Keys of all metrics.
        tasks: Names of the tasks.

    Returns:
        Keys, in the order of the tasks.

    Example:
        >>> objectives(["stars/rmse", "funnel/clicked/auc", "funnel/bought/auc"], ["stars", "funnel"])
        ('stars/rmse', 'funnel/bought/auc')
    """
    return tuple({name.partition("/")[0]: key for name, key in headlines(keys, tasks).items()}.values())


def relative_gain(key: str, figure: float, reference: float) -> float:
    r"""The difference from a reference as a share of it, positive if better.

    $$ gain = \pm \frac{x - r}{|r|} $$

    Args:
        key: Key of the metric, which tells whether lower is better.
        figure: Value of the metric.
        reference: Value to compare with.

    Returns:
        0.1 if it is better by ten percent, negative if it is worse; NaN if the reference is 0.

    Example:
        >>> round(relative_gain("rating/rmse", 0.9, 1.0), 3), round(relative_gain("click/auc", 0.9, 1.0), 3)
        (0.1, -0.1)
    """
    if not reference:
        return math.nan
    change = (figure - reference) / abs(reference)
    return -change if lower_is_better(key) else change


@dataclass(frozen=True)
class Score:
    r"""One number for several metrics, higher is better: the mean gain, or the largest loss if a metric is worse.

    $$ score = \min_k g_k \text{ if that is below } 0, \text{ else } \frac{1}{K} \sum_k g_k $$

    with $g_k$ the relative gain of metric k over its reference. So a trial that is worse in one metric scores below the
    reference itself, however much it gains in another.

    Attributes:
        keys: Keys of the metrics.
        references: Reference value of each metric; None to score a single metric by its value.
    """

    keys: tuple[str, ...]
    references: Mapping[str, float] | None = None

    def of(self, figures: Mapping[str, float]) -> float:
        """Compute the score.

        Args:
            figures: Validation metrics.

        Returns:
            The score; minus infinity if one of the metrics is missing, as after a training that diverged.
        """
        found = [figures.get(key, math.nan) for key in self.keys]
        if any(map(math.isnan, found)):
            return -math.inf
        if self.references is None:
            return -found[0] if lower_is_better(self.keys[0]) else found[0]
        gains = [relative_gain(key, each, self.references[key]) for key, each in zip(self.keys, found, strict=True)]
        return min(gains) if min(gains) < 0 else sum(gains) / len(gains)
