"""Errors of a prediction against the label of the same row."""

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
        One error an element.

    Raises:
        DataError: If the shapes differ.
    """
    return F.mse_loss(predictions, alike(labels, predictions), reduction="none")


def absolute(predictions: Float[Tensor, "*rows"], labels: Float[Tensor, "*labels"]) -> Float[Tensor, "*rows"]:
    r"""Absolute error, $|p - y|$, in the label's unit.

    Args:
        predictions: Any shape.
        labels: The same shape.

    Returns:
        One error an element.

    Raises:
        DataError: If the shapes differ.
    """
    return F.l1_loss(predictions, alike(labels, predictions), reduction="none")


def huber(predictions: Float[Tensor, "*rows"], labels: Float[Tensor, "*labels"]) -> Float[Tensor, "*rows"]:
    r"""Half the squared error up to a gap of 1, the absolute error less one half beyond.

    Args:
        predictions: Any shape.
        labels: The same shape.

    Returns:
        One error an element.

    Raises:
        DataError: If the shapes differ.

    Source:
        Huber, "Robust Estimation of a Location Parameter", Annals of Mathematical Statistics 1964.
    """
    return F.huber_loss(predictions, alike(labels, predictions), reduction="none")


def pointwise_error(name: str) -> PointwiseError:
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


def alike(labels: Shaped[Tensor, "*labels"], predictions: Float[Tensor, "*rows"]) -> Shaped[Tensor, "*labels"]:
    """The labels, unless torch would pair every one of them with every prediction.

    Args:
        labels: Any shape.
        predictions: What they are compared with.

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


_ERRORS: dict[str, PointwiseError] = {"squared": squared, "absolute": absolute, "huber": huber}
