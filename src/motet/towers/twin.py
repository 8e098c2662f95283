"""twin: copies of modules that share all weights, but read other data."""

from __future__ import annotations

from copy import copy
from typing import TypeVar

from torch import Tensor, nn

from motet.data.entities import Bag, Codes, Column, Numbers

M = TypeVar("M", bound=nn.Module)


def twin(module: M, **parts: Tensor | nn.Module) -> M:
    """Copy a module, replace some of its buffers, parameters and submodules, and share all others.

    Args:
        module: The module, which is not changed.
        **parts: The replacements, by attribute.

    Returns:
        The copy.

    Example:
        >>> import torch
        >>> linear = nn.Linear(2, 1)
        >>> other = twin(linear, bias=nn.Parameter(torch.ones(1)))
        >>> other.weight is linear.weight, other.bias is linear.bias
        (True, False)
    """
    copied = copy(module)
    for kind in ("_modules", "_buffers", "_parameters"):
        copied.__dict__[kind] = dict(module.__dict__[kind])
    for name, part in parts.items():
        setattr(copied, name, part)
    return copied


def with_vectors(module: M, vectors: Tensor) -> M:
    """Copy an embedding table with other vectors, which are not trained.

    Args:
        module: An `Embedding`.
        vectors: One vector per row.

    Returns:
        The copy.
    """
    return twin(module, weight=nn.Parameter(vectors, requires_grad=False))


def with_column(module: M, column: Column) -> M:
    """Copy the encoder of a feature with another column of the same vocabulary.

    Args:
        module: An encoder with its column in the buffers `codes`, `codes` and `offsets`, or `values`.
        column: The column to read.

    Returns:
        The copy, which embeds the rows of the column.
    """
    device = next(module.buffers()).device
    match column:
        case Codes(rows):
            return twin(module, codes=rows.to(device))
        case Bag(rows, offsets):
            return twin(module, codes=rows.to(device), offsets=offsets.to(device))
        case Numbers(values):
            return twin(module, values=values.to(device))
