"""Errors of a prediction against the label of the same row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from motet.errors import ConfigError, did_you_mean

PointwiseError = Literal["squared", "absolute", "huber"]


def squared(predictions: Tensor, labels: Tensor) -> Tensor:
    r"""Squared error, $(p - y)^2$, in the square of the label's unit.

    Args:
        predictions: Any shape.
        labels: The same shape.

    Returns:
        One error an element.
    """
    return F.mse_loss(predictions, labels, reduction="none")


def absolute(predictions: Tensor, labels: Tensor) -> Tensor:
    r"""Absolute error, $|p - y|$, in the label's unit.

    Args:
        predictions: Any shape.
        labels: The same shape.

    Returns:
        One error an element.
    """
    return F.l1_loss(predictions, labels, reduction="none")


def huber(predictions: Tensor, labels: Tensor) -> Tensor:
    r"""Half the squared error up to 1, the absolute error less one half beyond.

    Args:
        predictions: Any shape.
        labels: The same shape.

    Returns:
        One error an element.

    Source:
        Huber, "Robust Estimation of a Location Parameter", 1964.
    """
    return F.huber_loss(predictions, labels, reduction="none")


_ERRORS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"squared": squared, "absolute": absolute, "huber": huber}


def pointwise_error(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    """Look an error up by its name.

    Args:
        name: `"squared"`, `"absolute"` or `"huber"`.

    Returns:
        The function.

    Raises:
        ConfigError: If there is none of that name.
    """
    if name not in _ERRORS:
        raise ConfigError(f"error={name!r} is not one of {', '.join(map(repr, _ERRORS))}{did_you_mean(name, _ERRORS)}")
    return _ERRORS[name]
