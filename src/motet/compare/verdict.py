"""The verdict: whether joint training paid off, in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from motet.compare.comparison import SERVED, Estimate, System, Versus, transfers
from motet.metrics.text import number

LISTS = "the lists that users get"
DIGITS = 3  # decimals in sentences
ROUNDING = 1e-9  # shares below are rounding of equal figures
NAMES = {
    "rmse": "RMSE",
    "mae": "MAE",
    "auc": "AUC",
    "ndcg": "NDCG",
    "mrr": "MRR",
    "map": "MAP",
    "ece": "ECE",
    "log_loss": "log loss",
    "hit_rate": "hit rate",
}


def verdict(
    tasks: Sequence[str], systems: Sequence[System], versus: Sequence[Versus], mean_gain: Estimate | None
) -> list[str]:
    """Sum up a comparison.

    Args:
        tasks: Names of all trained tasks.
        systems: All systems.
        versus: All paired differences.
        mean_gain: Mean gain over the tasks.

    Returns:
        Sentences: the effect of joint training on each task, its mean gain, whether the joint model beats the
        baselines, in each task and in the lists that users get, and which systems could not be trained.
    """
    alone = [each for each in systems if each.kind == "specialist"]
    said = transfers(systems, versus)
    judged = {name.partition("/")[0] for name in said}
    found = [_paid_off(said)] if said else []
    missing = [each for each in alone if each.task in tasks and each.task not in judged]
    found += map(_missing, missing)
    if mean_gain is not None and len(judged) > 1:
        found.append(f"Over {len(judged)} tasks it gained {gain_text(mean_gain)} on average.")
    rules = [each for each in versus if each.headline and said.get(each.task) is not each]
    found += [_beside(name, [each for each in rules if each.task == name]) for name in said]
    lists = [each for each in rules if each.task == SERVED]
    found += [_beside(LISTS, lists)] if lists else []
    return [*found, *(_failed(each) for each in systems if any(each.errors) and each not in missing)]


def figure_name(key: str) -> str:
    """The readable name of a metric.

    Args:
        key: Key of the metric.

    Returns:
        Its name, with the protocol.

    Example:
        >>> figure_name("retrieval/unseen/ndcg@10"), figure_name("rating/rmse")
        ('unseen NDCG@10', 'RMSE')
    """
    *place, metric = key.split("/")[1:]
    name, at, k = metric.partition("@")
    return " ".join([*place, f"{NAMES.get(name, name)}{at}{k}"])


def percent(share: float) -> str:
    """A share in percent, with its sign.

    Args:
        share: The share.

    Returns:
        One decimal, or one significant digit if that would be 0.

    Example:
        >>> percent(0.032), percent(-0.00012)
        ('+3.2', '-0.01')
    """
    if ROUNDING < abs(share) < 0.0005:
        return f"{100 * share:+.1g}"
    return f"{round(100 * share, 1) + 0.0:+.1f}"  # without the minus of -0.0


def gain_text(gain: Estimate) -> str:
    """A relative gain and its interval.

    Args:
        gain: The gain, as a share.

    Returns:
        Percent, with the interval if there is one.

    Example:
        >>> gain_text(Estimate(value=0.032, low=-0.0101, high=0.0744))
        '+3.2 % [-1.0, 7.4]'
    """
    if math.isnan(gain.low):
        return f"{percent(gain.value)} %"
    low, high = (percent(end).removeprefix("+") for end in (gain.low, gain.high))
    return f"{percent(gain.value)} % [{low}, {high}]"


def _paid_off(said: Mapping[str, Versus]) -> str:
    """The main result: which tasks joint training helped and hurt."""
    by_outcome: dict[str, list[str]] = {"better": [], "worse": [], "undecided": []}
    for each in said.values():
        by_outcome[each.outcome].append(f"{each.task} ({_change(each)})")
    helped, hurt, open_ = by_outcome.values()
    told = []
    if helped:
        told.append(f"helped {_listed(helped)}")
    if hurt:
        told.append(f"hurt {_listed(hurt)}")
    if helped and not hurt:
        told.append("hurt nothing")
    if hurt and not helped:
        told.append("helped nothing")
    if not told:
        return f"Joint training made no clear difference on the test rows: {_listed(open_)}."
    rest = f"; too close to call: {_listed(open_)}" if open_ else ""
    return f"Joint training {' and '.join(told)}{rest}."


def _change(each: Versus) -> str:
    """Both values and the gain, which is above 0 if the joint model is better, as in the table."""
    figures = f"{figure_name(each.key)} {number(each.joint, DIGITS)} vs {number(each.other, DIGITS)}"
    if math.isnan(each.gain.value):
        return figures
    return f"{figures}, gain {gain_text(each.gain)}"


def _missing(system: System) -> str:
    error = next((each for each in system.errors if each), "")
    why = f"could not be trained ({error})" if error else "has no metric on the test rows"
    return f"Nothing can be concluded about {system.task}: {system.name!r} {why}."


def _failed(system: System) -> str:
    errors = [each for each in system.errors if each]
    told = f"{system.name!r} could not be trained with {len(errors)} of {len(system.errors)} seeds ({errors[0]})"
    return f"{told}." if len(errors) == len(system.errors) else f"{told}; its metrics are means over the others."


def _beside(task: str, rules: Sequence[Versus]) -> str:
    """How the joint model compares with the baselines in a task."""
    if not rules:
        return f"No baseline applies to {task}."
    words = {"worse": "is behind", "undecided": "does not clearly differ from", "better": "beats"}
    told = [
        f"{word} {_listed([f'{each.system} ({_change(each)})' for each in rules if each.outcome == outcome])}"
        for outcome, word in words.items()
        if any(each.outcome == outcome for each in rules)
    ]
    return f"In {task} it {'; it '.join(told)}."


def _listed(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
