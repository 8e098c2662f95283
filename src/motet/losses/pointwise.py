"""Pointwise errors of predictions against labels."""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn import functional as F

from motet.errors import ConfigError, DataError, did_you_mean

PointwiseError = Callable[[Tensor, Tensor], Tensor]


def squared(predictions: Float[Tensor, "*rows"], labels: Float[Tensor, "*labels"]) -> Float[Tensor, "*rows"]:
    r"""Squared error, $(p - y)^2$, in the square of the label's unit.

    Args:
        predictions: Any shape.
        labels: The same shape.

    Returns:
        One error per element.

    Raises:
        DataError: If the shapes differ.
    """
    return F.mse_loss(predictions, _like(predictions, labels), reduction="none")


def absolute(predictions: Float[Tensor, "*rows"], labels: Float[Tensor, "*labels"]) -> Float[Tensor, "*rows"]:
    r"""Absolute error, $|p - y|$, in the label's unit.

    Args:
        predictions: Any shape.
        labels: The same shape.

    Returns:
        One error per element.

    Raises:
        DataError: If the shapes differ.
    """
    return F.l1_loss(predictions, _like(predictions, labels), reduction="none")


def huber(predictions: Float[Tensor, "*rows"], labels: Float[Tensor, "*labels"]) -> Float[Tensor, "*rows"]:
    r"""Half the squared error up to a difference of 1, the absolute error minus one half beyond.

    Args:
        predictions: Any shape.
        labels: The same shape.

    Returns:
        One error per element.

    Raises:
        DataError: If the shapes differ.

    Source:
        Huber, "Robust Estimation of a Location Parameter", Annals of Mathematical Statistics 1964.
    """
    return F.huber_loss(predictions, _like(predictions, labels), reduction="none")


def pointwise_error(name: str) -> PointwiseError:
    """Look up an error by name.

    Args:
        name: `"squared"`, `"absolute"` or `"huber"`.

    Returns:
        The function.

    Raises:
        ConfigError: If the name is unknown.
    """
    if name not in _ERRORS:
        raise ConfigError(f"error={name!r} is not one of {', '.join(map(repr, _ERRORS))}{did_you_mean(name, _ERRORS)}")
    return _ERRORS[name]


def same_shape(labels: Shaped[Tensor, "*labels"], predictions: Float[Tensor, "*rows"]) -> Shaped[Tensor, "*labels"]:
    """Check that labels have the shape of the predictions, so that nothing broadcasts.

    Args:
        labels: Any shape.
        predictions: The tensor that they are compared with.

    Returns:
        The labels.

    Raises:
        DataError: If the shapes differ.
    """
    if labels.shape != predictions.shape:
        raise DataError(
            f"labels of shape {tuple(labels.shape)} do not match predictions of shape {tuple(predictions.shape)}; "
            "give both the same shape: squeeze the axis of size 1"
        )
    return labels


def _like(predictions: Tensor, labels: Tensor) -> Tensor:
    """The labels in the type of the predictions: the backward pass of torch 2.11 takes one type only."""
    return same_shape(labels, predictions).to(predictions.dtype)


_ERRORS: dict[str, PointwiseError] = {"squared": squared, "absolute": absolute, "huber": huber}
