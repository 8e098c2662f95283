"""Declaration: the classes and arguments of a model as JSON, and back.

Classes are looked up by name among motet's own; nothing that a file names is imported or executed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from motet import balancers, tasks, towers, trunks
from motet.data.entities import Entities
from motet.errors import ArtifactError
from motet.model import Model
from motet.preference import Preference

MAKERS = (torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.arange, torch.eye)
DRAWERS = (torch.Tensor.uniform_, nn.init.uniform_, nn.init.kaiming_uniform_)
CALLS, SPARE_TENSORS = 100, 50  # torch calls allowed for each tensor, and tensors that need not be saved
BYTES, SPARE_BYTES = 4, 1 << 24  # bytes of tensors allowed for each byte of weights, since not all are saved


def describe(model: Model) -> dict[str, Any] | None:
    """The classes of a model's parts and the arguments that construct them.

    Args:
        model: Any model.

    Returns:
        Argument of `rebuild`; None if the class of the model or of a part is not one of motet's.
    """
    parts = (
        model.user,
        model.item,
        *model.tasks.values(),
        model.balancer,
        *(part for part in (model.trunk, model.preference) if part is not None),
    )
    if type(model) is not Model or any(_known(type(part).__name__) is not type(part) for part in parts):
        return None
    return {
        "user": _encode(model.user),
        "item": _encode(model.item),
        "tasks": [_encode(task) for task in model.tasks.values()],
        "weights": model.weights,
        "trunk": _encode(model.trunk),
        "balancer": _encode(model.balancer),
        "preference": _encode(model.preference),
    }


def rebuild(declaration: Mapping[str, Any], users: Entities, items: Entities) -> Model:
    """An untrained model of the same parts, which the saved weights fit.

    Args:
        declaration: Result of `describe`.
        users: The users the model was trained on.
        items: The items the model was trained on.

    Returns:
        The model.

    Raises:
        ArtifactError: If the declaration names a class that motet does not have, or an argument it does not take.
    """
    return Model(
        user=_decode(declaration["user"], users),
        item=_decode(declaration["item"], items),
        tasks=[_decode(task) for task in declaration["tasks"]],
        weights=declaration["weights"],
        trunk=_decode(declaration["trunk"]),
        balancer=_decode(declaration["balancer"]),
        preference=_decode(declaration["preference"]),
    )


class Within(TorchFunctionMode):
    """Limits the tensors created inside it by the size of the weights, and skips random initialisation.

    A stranger's declaration may ask for a table of a billion rows or for a million experts, and take all memory or
    hours of time before anybody sees that the weights do not fit. Initial values are overwritten by the weights.

    Args:
        weights: Size of the weights in bytes.
        tensors: Number of tensors among the weights.

    Raises:
        ArtifactError: Inside, as soon as a limit is exceeded.

    Example:
        >>> with Within(weights=4, tensors=1):
        ...     torch.zeros(1_000_000_000)
        Traceback (most recent call last):
        motet.errors.ArtifactError: the model is far larger than its weights
    """

    def __init__(self, *, weights: int, tensors: int) -> None:
        super().__init__()
        self.bytes = BYTES * weights + SPARE_BYTES
        self.calls = CALLS * (tensors + SPARE_TENSORS)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count a call of a torch function and the bytes it is about to allocate; see `TorchFunctionMode`."""
        kwargs = kwargs or {}
        self.calls -= 1
        if func in MAKERS:
            made = func(*args, **{**kwargs, "device": "meta"})
            self.bytes -= made.numel() * made.itemsize
        if min(self.bytes, self.calls) < 0:
            raise ArtifactError("the model is far larger than its weights")
        if func in DRAWERS:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def _known(name: str) -> type | None:
    """A public class of motet: a tower, a task, a trunk, a balancer, a preference, or a part of one."""
    if name == Preference.__name__:
        return Preference
    for module in (towers, tasks, trunks, balancers):
        found = getattr(module, name, None) if name in module.__all__ else None
        if isinstance(found, type):
            return found
    return None


def _encode(value: Any) -> Any:
    """An argument as JSON; a part with arguments of its own becomes its class and its `config`."""
    if hasattr(value, "config"):
        config = {name: _encode(argument) for name, argument in value.config().items()}
        return {"class": type(value).__name__, "config": config}
    return list(value) if isinstance(value, tuple) else value


def _decode(value: Any, *first: Entities) -> Any:
    if not (isinstance(value, dict) and value.keys() == {"class", "config"}):
        return value
    kind = _known(value["class"])
    if kind is None:
        raise ArtifactError(f"the model uses a {value['class']}, which this motet does not have; upgrade motet")
    config = {name: _decode(argument) for name, argument in value["config"].items()}
    try:
        return kind(*first, **config)
    except TypeError as error:
        raise ArtifactError(f"the model's {value['class']} does not fit this motet: {error}; upgrade motet") from error
