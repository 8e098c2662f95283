"""One step of any optimizer, with errors that say why it cannot train a model."""

from __future__ import annotations

import torch
from torch import nn

from motet.errors import ConfigError


def check_optimizer(optimizer: torch.optim.Optimizer, model: nn.Module) -> None:
    """Check, before training, that an optimizer can train a model.

    Args:
        optimizer: Made by the caller.
        model: Prepared for its training rows.

    Raises:
        ConfigError: If it holds no parameter of the model, or has begun with one that was still empty, as those of an
            `Ordinal` are until it knows its levels.
    """
    name = type(optimizer).__name__
    own = {id(parameter) for parameter in model.parameters()}
    if not any(id(parameter) in own for group in optimizer.param_groups for parameter in group["params"]):
        raise ConfigError(
            f"the optimizer {name} holds no parameter of this model, so nothing would be trained; make it from "
            "model.parameters(), or give a function that does"
        )
    for key, parameter in model.named_parameters():
        state = optimizer.state.get(parameter, {}).values()
        if parameter.numel() and any(isinstance(value, torch.Tensor) and not value.numel() for value in state):
            raise ConfigError(
                f"the optimizer {name} was made when parameter {key!r} had no numbers, before the training rows told "
                f"how many it has; give a function that makes it: optimizer=lambda parameters: {name}(parameters, ...)"
            )


def step(optimizer: torch.optim.Optimizer) -> None:
    """Take one step.

    Args:
        optimizer: With the gradients in place.

    Raises:
        ConfigError: If the optimizer does not take sparse gradients and a table has them, or takes nothing else.

    Example:
        >>> weight = torch.nn.Parameter(torch.ones(2))
        >>> weight.sum().backward()
        >>> step(torch.optim.SGD([weight], lr=0.25))
        >>> weight.detach()
        tensor([0.7500, 0.7500])
    """
    try:
        optimizer.step()
    except RuntimeError as error:
        if "sparse gradients" not in str(error) and "dense gradients" not in str(error):
            raise
        raise ConfigError(
            f"{type(optimizer).__name__} cannot train this model ({error}): towers with sparse=True have tables with "
            "sparse gradients and layers with dense ones; use an optimizer that takes both, such as "
            "motet.optim.Adagrad or torch.optim.SGD, or build the towers with sparse=False"
        ) from error
