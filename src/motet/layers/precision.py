"""Precision: the type in which matrix products are computed, the float32 around them, and the float64 of times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Self, get_args

import torch
from jaxtyping import Float, Real
from torch import Tensor, nn

from motet.errors import ConfigError, did_you_mean

Precision = Literal["float32", "bfloat16"]
EPSILON = {"tf32": 2.0**-10, "bf16": 2.0**-7}  # by torch's names of what float32 may be multiplied in
PIECE = 1 << 14  # rows of a rounded product at a time: its memory is reused, where a large one would be fetched anew


class Exact(nn.Module):
    """A module with buffers that stay in float64 when its model is given another type.

    `model.float()` after `model.double()` would otherwise round times to float32, by up to a minute.

    Attributes:
        exact: Names of these buffers.
    """

    exact: tuple[str, ...]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        before = {name: self.get_buffer(name) for name in self.exact}
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, buffer in before.items():
            moved = self.get_buffer(name)
            if moved.dtype != buffer.dtype:
                setattr(self, name, buffer.to(moved.device))
        return self


def check_weights(model: nn.Module) -> None:
    """Refuse weights of half precision, in which most steps of training are too small to change them.

    Args:
        model: A model to train or to ask.

    Raises:
        ConfigError: If a parameter is bfloat16 or float16.
    """
    for name, parameter in model.named_parameters():
        if parameter.dtype in (torch.bfloat16, torch.float16):
            raise ConfigError(
                f"parameter {name!r} is {_named(parameter.dtype)}; weights are float32 or float64: call model.float(). "
                "fit(precision='bfloat16') rounds the operands of products and keeps such weights"
            )


def rounding(precision: Precision, model: nn.Module, device: torch.device) -> torch.autocast:
    """The context in which training computes losses.

    Args:
        precision: The type of matrix products.
        model: The model to train.
        device: Where it is trained.

    Returns:
        To enter for each batch.

    Raises:
        ConfigError: If the precision is unknown, `torch.autocast` is on already, or float64 weights are to be rounded.
    """
    if precision not in get_args(Precision):
        hint = did_you_mean(precision, get_args(Precision))
        raise ConfigError(f"precision={precision!r} is neither 'float32' nor 'bfloat16'{hint}")
    if torch.is_autocast_enabled(device.type):
        raise ConfigError(
            "fit is called under torch.autocast; leave that out and give precision='bfloat16', which covers the losses "
            "of a batch, and not gradients, steps and validation"
        )
    rounded = precision == "bfloat16"
    if rounded and any(parameter.dtype == torch.float64 for parameter in model.parameters()):
        raise ConfigError(
            "precision='bfloat16' rounds products of float32 weights, and this model's are float64; call model.float()"
        )
    return torch.autocast(device.type, torch.bfloat16, enabled=rounded)


def product_dtype(x: Tensor) -> torch.dtype:
    """The type in which to compute matrix products of a tensor: that of `torch.autocast` where it is on.

    Layers with a backward pass of their own ask for it, since autocast converts the inputs of torch's layers only.

    Args:
        x: An operand.

    Returns:
        The type of autocast on the operand's device; the operand's own outside autocast, and for float64, which
        autocast leaves alone.

    Example:
        >>> with torch.autocast("cpu", dtype=torch.bfloat16):
        ...     product_dtype(torch.zeros(2))
        torch.bfloat16
    """
    kind = x.device.type
    on = x.dtype != torch.float64 and torch.is_autocast_enabled(kind)
    return torch.get_autocast_dtype(kind) if on else x.dtype


def widened(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The result of a product in at least float32, for what is to be summed or compared.

    Args:
        x: In any type.

    Returns:
        bfloat16 and float16 as float32; others as they are.
    """
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def factors_lost(x: Real[Tensor, "*shape"]) -> float:
    r"""What a matrix product loses because torch rounds the factors, as a share of the sum of absolute products.

    `torch.set_float32_matmul_precision` and `torch.backends` have float32 multiplied in TF32 or bfloat16, of a machine
    epsilon $\epsilon$. Two factors lose $2 \epsilon + \epsilon^2$, and $3 \epsilon$ covers what additions make of that.

    Args:
        x: An operand.

    Returns:
        A bound; 0 where factors are multiplied as they are.
    """
    if x.dtype != torch.float32:
        return 0.0
    backend = torch.backends.cuda if x.device.type == "cuda" else torch.backends.mkldnn
    return 3 * EPSILON.get(backend.matmul.fp32_precision, 0.0)


def add_product(
    total: Float[Tensor, "rows columns"], a: Float[Tensor, "rows inner"], b: Float[Tensor, "inner columns"]
) -> None:
    """Add a matrix product to a sum in place, computed in the type of its operands.

    Args:
        total: The sum, which may have a wider type than the operands.
        a: The left operand.
        b: The right operand.
    """
    if total.dtype == a.dtype:
        total.addmm_(a, b)
    else:
        for some, rows in zip(total.split(PIECE), a.split(PIECE), strict=True):
            some += rows @ b


def _named(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
