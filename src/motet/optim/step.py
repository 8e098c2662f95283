"""step: one step of any optimizer, with an error that says which gradients it does not take."""

from __future__ import annotations

import torch

from motet.errors import ConfigError


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
