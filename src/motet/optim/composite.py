"""Composite: one optimizer per part of a model."""

from __future__ import annotations

import inspect
from collections import ChainMap
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import nn

from motet.errors import ConfigError, check_types
from motet.optim.base import recompute

Optimizer = torch.optim.Optimizer
Which = Callable[[str], bool] | Iterable[nn.Parameter] | None


class Composite(Optimizer):
    """Several optimizers that step together; each trains its own part of a model.

    `fit`, checkpoints and learning rate schedules use it like any other optimizer: its parameter groups are those of
    its parts, in order.

    Args:
        model: The model; each of its trainable parameters belongs to exactly one part.
        parts: For each part, a function from parameters to an optimizer, and the parameters: a condition on the
            parameter name, the parameters themselves, or None for all that no other part takes. A part may be empty.

    Raises:
        ConfigError: If the model or an optimizer is something else, a parameter belongs to two parts or none, or to
            another model, or two parts take the rest.

    Source:
        TensorFlow Recommenders' `CompositeOptimizer`; Cheng et al., "Wide & Deep Learning for Recommender Systems",
        DLRS 2016, section 3, trains two parts of one model this way.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from motet.optim import Adagrad
        >>> model = nn.ModuleDict({"table": nn.Embedding(5, 2), "head": nn.Linear(2, 1)})
        >>> optimizer = Composite(
        ...     model,
        ...     [
        ...         (lambda parameters: Adagrad(parameters, lr=0.1), lambda name: name.startswith("table")),
        ...         (lambda parameters: torch.optim.Adam(parameters, lr=0.01), None),
        ...     ],
        ... )
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.1, 0.01]
    """

    def __init__(
        self, model: nn.Module, parts: Sequence[tuple[Callable[[list[nn.Parameter]], Optimizer], Which]]
    ) -> None:
        check_types(nn.Module, "pass the model itself", model=model)
        makers = {f"parts[{at}][0]": make for at, (make, _) in enumerate(parts)}
        check_types(Callable, "pass what makes one", **makers)  # type: ignore[arg-type]  # a type to isinstance
        chosen = _divide(model, [which for _, which in parts])
        self.optimizers = [make(part) for (make, _), part in zip(parts, chosen, strict=True) if part]
        super().__init__([parameter for part in chosen for parameter in part], {})
        self._gather()

    # As in OneByOne: torch wraps this method, and would import its compiler.
    add_param_group = inspect.unwrap(Optimizer.add_param_group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear all gradients.

        Args:
            set_to_none: Whether to set them to None instead of 0.
        """
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none)

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Step all parts.

        Args:
            closure: Recomputes the loss with gradients; called once.

        Returns:
            The result of the closure.
        """
        loss = recompute(closure)
        for optimizer in self.optimizers:
            optimizer.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """The states of all parts in torch's layout, with parameters numbered across parts."""
        states: dict[int, Any] = {}
        groups: list[dict[str, Any]] = []
        first = 0
        for optimizer in self.optimizers:
            saved = optimizer.state_dict()
            states |= {first + number: state for number, state in saved["state"].items()}
            shifted = [[first + number for number in group["params"]] for group in saved["param_groups"]]
            groups += [{**group, "params": own} for group, own in zip(saved["param_groups"], shifted, strict=True)]
            first += _size(optimizer)
        return {"state": states, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the states of all parts.

        Args:
            state_dict: The result of `state_dict`.

        Raises:
            ValueError: If the parts have different groups or parameters.
        """
        groups = list(state_dict["param_groups"])
        if len(groups) != len(self.param_groups):
            raise ValueError(
                f"the state has {len(groups)} parameter groups, but the parts have {len(self.param_groups)}"
            )
        first = 0
        for optimizer in self.optimizers:
            size = _size(optimizer)
            own = [groups.pop(0) for _ in optimizer.param_groups]
            places = [[number - first for number in group["params"]] for group in own]
            states = {n - first: state for n, state in state_dict["state"].items() if first <= n < first + size}
            moved = [{**group, "params": place} for group, place in zip(own, places, strict=True)]
            optimizer.load_state_dict({"state": states, "param_groups": moved})
            first += size
        self._gather()

    def _gather(self) -> None:
        """Share the groups and states of the parts, so that a schedule can change them through either."""
        self.param_groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]
        self.state = _States(*(optimizer.state for optimizer in self.optimizers))  # type: ignore[assignment]


class _States(ChainMap[torch.Tensor, Any]):
    """The states of several optimizers. To look one up in a part that lacks it would make one there."""

    def __getitem__(self, parameter: torch.Tensor) -> Any:
        return next((states[parameter] for states in self.maps if parameter in states), {})


def _divide(model: nn.Module, conditions: Sequence[Which]) -> list[list[nn.Parameter]]:
    """The parameters of each part, in the model's order."""
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    if sum(which is None for which in conditions) > 1:
        raise ConfigError("two parts of a Composite take all that is left; give one of them a condition")
    taken = [_taken(which, number, model, trained) for number, which in enumerate(conditions, 1)]
    for name in trained:
        owners = [number + 1 for number, names in enumerate(taken) if name in names]
        if len(owners) > 1:
            raise ConfigError(
                f"parameter {name!r} belongs to parts {owners[0]} and {owners[1]} of a Composite; narrow one of them"
            )
    rest = trained.keys() - set().union(*taken)
    if rest and None not in conditions:
        left = next(name for name in trained if name in rest)
        raise ConfigError(
            f"parameter {left!r} belongs to no part of a Composite and would not be trained; add a part with the "
            "condition None, which takes all that is left"
        )
    names = [rest if which is None else own for which, own in zip(conditions, taken, strict=True)]
    return [[parameter for name, parameter in trained.items() if name in part] for part in names]


def _taken(which: Which, number: int, model: nn.Module, trained: dict[str, nn.Parameter]) -> set[str]:
    if which is None:
        return set()
    if callable(which):
        return {name for name in trained if which(name)}
    given = {id(parameter): parameter for parameter in which}
    for stranger in given.keys() - {id(parameter) for parameter in model.parameters()}:
        raise ConfigError(
            f"part {number} of a Composite names a parameter of shape {tuple(given[stranger].shape)} that is not the "
            f"model's; take it from this {type(model).__name__}, or give a condition on its name"
        )
    return {name for name, parameter in trained.items() if id(parameter) in given}


def _size(optimizer: Optimizer) -> int:
    return sum(len(group["params"]) for group in optimizer.param_groups)
