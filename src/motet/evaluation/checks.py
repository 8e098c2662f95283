"""Checks of what `evaluate` receives, before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence

from motet.baselines import Baseline
from motet.data.entities import Entities
from motet.data.log import EventLog
from motet.errors import ConfigError, DataError, check_types, did_you_mean
from motet.evaluation.corpus import PROTOCOLS
from motet.model import Model

BUILT = "read the test with encode(...) of the log that it was built on"


def check_logs(test: EventLog, train: EventLog) -> None:
    """Check that there are test rows, and that they number users and items as the training rows do.

    Args:
        test: Held-out rows.
        train: Training rows.

    Raises:
        ConfigError: If either is not an `EventLog`.
        DataError: If there are no test rows, or the two number their users or items differently.
    """
    check_types(EventLog, test=test, train=train)
    if not len(test):
        raise DataError("there are no test rows; give at least one")
    fix = "take both from one split, or read the test with train.encode(...)"
    _check_numbers("the training log", (train.users, train.items), test, fix)


def check_lists(*, items: int, protocols: Sequence[str], ks: Sequence[int] | None) -> None:
    """Check the arguments that are lists.

    Args:
        items: The number of items.
        protocols: Names of protocols.
        ks: Lengths of lists of items.

    Raises:
        ConfigError: If a protocol is unknown, or a length exceeds the number of items.
    """
    for protocol in protocols:
        if protocol not in PROTOCOLS:
            hint = did_you_mean(protocol, PROTOCOLS)
            raise ConfigError(f"protocol {protocol!r} is not one of {', '.join(PROTOCOLS)}{hint}")
    longest = max(ks or (0,))
    if longest > items:
        raise ConfigError(
            f"ks names a list of {longest:,} items, and there are {items:,}; the longest can be {items:,}"
        )


def check_baseline(baseline: Baseline, test: EventLog) -> None:
    """Check that the test log numbers users and items as the baseline does, and has its label.

    Args:
        baseline: The baseline.
        test: Held-out rows.

    Raises:
        DataError: If it does not.
    """
    _check_numbers(f"{baseline.name!r}", (baseline.users, baseline.items), test, BUILT)
    check_labels(baseline.name, () if baseline.label is None else (baseline.label,), test)


def check_model(model: Model, test: EventLog) -> None:
    """Check that the test log numbers users and items as the model does, and has the columns that its towers read.

    Args:
        model: The model.
        test: Held-out rows.

    Raises:
        DataError: If it does not: its rows would be scored with the vectors of other users or items.
    """
    _check_numbers("the model", (model.user.entities, model.item.entities), test, BUILT)
    for tower, name in ((model.user, "users"), (model.item, "items")):
        for column in tower.context:
            if column not in test.columns:
                hint = did_you_mean(column, test.columns)
                raise DataError(
                    f"the model reads the context {column!r} of {name}, which is not in the test log{hint} Read it "
                    "with the encode(...) of a Recommender, or of the training log"
                )


def check_labels(name: str, needs: Sequence[str], test: EventLog) -> None:
    """Check that the test log has the label columns of a task or a baseline.

    Args:
        name: The task or the baseline.
        needs: Its label columns.
        test: Held-out rows.

    Raises:
        DataError: If a column is absent.
    """
    for column in needs:
        if column not in test.columns:
            hint = did_you_mean(column, test.columns)
            raise DataError(f"{name!r} needs column {column!r}, which is not in the test log{hint}")


def _check_numbers(whose: str, known: tuple[Entities, Entities], test: EventLog, fix: str) -> None:
    """Check that rows mean the same users and items in the test log."""
    for mine, theirs, name in zip(known, (test.users, test.items), ("users", "items"), strict=True):
        if mine.key != theirs.key:
            raise DataError(f"{whose} has {name} in {mine.key!r}, and the test log has them in {theirs.key!r}; {fix}")
        if mine.vocab != theirs.vocab:
            counts = f"{len(mine) - 1:,} {name}, and the test log numbers {len(theirs) - 1:,} differently"
            raise DataError(f"{whose} knows {counts}; {fix}")
