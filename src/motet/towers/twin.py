"""Twin: a module that shares its weights with another and reads other tables."""

from __future__ import annotations

from copy import copy
from typing import TypeVar

from torch import Tensor, nn

from motet.data.entities import Bag, Codes, Column, Numbers

M = TypeVar("M", bound=nn.Module)


def twin(module: M, **parts: Tensor | nn.Module) -> M:
    """A copy of a module with some buffers, parameters and modules replaced; it shares everything else.

    Args:
        module: Not changed.
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
    """The twin of an embedding table that holds other vectors, which are not trained.

    Args:
        module: An `Embedding`.
        vectors: One line a row.

    Returns:
        The table.
    """
    return twin(module, weight=nn.Parameter(vectors, requires_grad=False))


def with_column(module: M, column: Column) -> M:
    """The twin of an encoder of one feature that reads another column of the same vocabulary.

    Args:
        module: Holds its column in the buffers `codes`, `codes` and `offsets`, or `values`.
        column: The column to read.

    Returns:
        The encoder, whose rows are the lines of the column.
    """
    device = next(module.buffers()).device
    match column:
        case Codes(rows):
            return twin(module, codes=rows.to(device))
        case Bag(rows, offsets):
            return twin(module, codes=rows.to(device), offsets=offsets.to(device))
        case Numbers(values):
            return twin(module, values=values.to(device))
