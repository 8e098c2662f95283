"""Kinds: the classes that a project file can name, found among those that motet exports."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from types import ModuleType
from typing import Any

import torch

from motet import balancers, baselines, optim, retrievers, tasks, towers, trunks
from motet.data import split
from motet.data.neighbours import Neighbours
from motet.data.pair_features import PairFeatures
from motet.data.schema import KINDS as FEATURES
from motet.early_stopping import EarlyStopping

PACKAGES = (tasks, towers, trunks, balancers, baselines, retrievers)
# Parts with only one kind, by class, and the function that makes them.
SINGLE: Mapping[type, Callable[..., Any]] = {
    EarlyStopping: EarlyStopping,
    Neighbours: Neighbours.of,
    PairFeatures: PairFeatures,
    **{kind: kind for kind in FEATURES.values()},
}
SPLITS: dict[str, Callable[..., Any]] = {
    "random": split.random,
    "by_time": split.by_time,
    "leave_last_out": split.leave_last_out,
}


@cache
def offered(base: type) -> dict[str, Callable[..., Any]]:
    """The classes that a file can name for a part.

    Args:
        base: Base class of the part, such as `Task` or `Pool`.

    Returns:
        Concrete classes by name; none if the class is not a part.
    """
    if base is torch.optim.Optimizer:
        # motet's replace torch's of the same name. LBFGS needs a closure, which training does not give, and Composite
        # functions, which a file cannot hold.
        return {**_classes(torch.optim, base, but="LBFGS"), **_classes(optim, base, but="Composite")}
    if base in SINGLE:
        return {base.__name__: SINGLE[base]}
    exported = [getattr(package, name) for package in PACKAGES for name in package.__all__]
    if base not in exported:
        return {}
    return {
        each.__name__: each
        for each in exported
        if isinstance(each, type) and issubclass(each, base) and not inspect.isabstract(each)
    }


def _classes(module: ModuleType, base: type, but: str = "") -> dict[str, Callable[..., Any]]:
    return {
        name: each
        for name, each in vars(module).items()
        if isinstance(each, type) and issubclass(each, base) and each is not base and name != but
    }
