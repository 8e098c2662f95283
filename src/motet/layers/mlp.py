"""MLP: fully connected layers with ReLU between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from motet.errors import ConfigError
from motet.layers.dropout import check_dropout
from motet.layers.precision import add_product, product_dtype, widened

BLOCK = 1 << 19  # values of the widest layer per block: 2 MiB, small enough for the allocator to reuse


def linear(in_dim: int, out_dim: int, *, bias: bool = True) -> nn.Linear:
    """A linear map initialised like a Keras `Dense` layer: Glorot-uniform weights, zero biases.

    Args:
        in_dim: Width of the input.
        out_dim: Width of the output.
        bias: Whether to add a learned bias.

    Returns:
        The layer.

    Source:
        Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks",
        AISTATS 2010, eq. 16.
    """
    layer = nn.Linear(in_dim, out_dim, bias=bias)
    nn.init.xavier_uniform_(layer.weight)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


class MLP(nn.Module):
    r"""Hidden layers with ReLU, then a linear output.

    $$ h_{l+1} = \mathrm{dropout}(\max(0, W_l h_l + b_l)), \qquad y = W_L h_L + b_L $$

    On a CPU all layers process one block of rows before the next, and the gradients of ReLU and dropout are derived
    from their outputs and written in place. Otherwise a tenth of the time goes into allocating intermediate values.

    The input may come in parts that broadcast. Since $W [a; b] = W_a a + W_b b$, the first layer multiplies a part that
    many rows share only once.

    Args:
        in_dim: Width of the input, of all its parts together.
        hidden: Widths of the hidden layers, from input to output; may be empty.
        out_dim: Width of the linear output. None to end with the last hidden layer and its ReLU.
        dropout: Share of every hidden layer's values set to 0 during training.

    Raises:
        ConfigError: If a width is below 1, or `dropout` is not in [0, 1).

    Example:
        >>> mlp = MLP(64, hidden=(256, 128), out_dim=1)
        >>> mlp(torch.zeros(5, 64)).shape
        torch.Size([5, 1])
        >>> mlp(torch.zeros(3, 1, 32), torch.zeros(3, 5, 32)).shape
        torch.Size([3, 5, 1])
    """

    def __init__(
        self, in_dim: int, *, hidden: Sequence[int] = (), out_dim: int | None = None, dropout: float = 0.0
    ) -> None:
        super().__init__()
        check_dropout(dropout)
        self.widths = [in_dim, *hidden, *([] if out_dim is None else [out_dim])]
        if min(self.widths[1:], default=1) < 1:
            raise ConfigError(f"hidden={tuple(hidden)}, out_dim={out_dim}; every layer has at least width 1")
        self.layers = nn.ModuleList(linear(width, after) for width, after in pairwise(self.widths))
        self.depth = len(tuple(hidden))
        self.dropout = dropout
        self.out_dim = self.widths[-1]

    def forward(self, x: Float[Tensor, "... first_dim"], *more: Float[Tensor, "... _"]) -> Float[Tensor, "... out_dim"]:
        """Apply every layer.

        Args:
            x: The input; any leading dimensions.
            *more: Further parts of the input, from `side_by_side`: the leading dimensions of each part broadcast to
                those of the next.

        Returns:
            The output, with the leading dimensions of the last part.
        """
        trained = torch.is_grad_enabled()
        if not self.depth or x.device.type != "cpu" or torch.compiler.is_compiling() or (more and trained):
            return self._layer_by_layer(x, *more)
        if not trained:
            return self._blockwise(x, *more)
        parameters = [parameter for layer in self.layers for parameter in (layer.weight, layer.bias)]
        dropout = self.dropout if self.training else 0.0
        dtype, rows = product_dtype(next(self.parameters())), x.reshape(-1, x.shape[-1])
        out: Tensor = _Layers.apply(rows, self.depth, dropout, dtype, *parameters)  # type: ignore[no-untyped-call]
        return out.view(*x.shape[:-1], self.out_dim)

    def _blockwise(self, *parts: Tensor) -> Tensor:
        """As `_layer_by_layer`, for one block of rows after the other."""
        shape, size = parts[-1].shape[:-1], max(1, BLOCK // max(self.widths))
        if shape.numel() <= size:
            return self._layer_by_layer(*parts)
        axis = next(axis for axis, length in enumerate(shape) if length > 1)
        step = max(1, size * shape[axis] // shape.numel())
        blocks = zip(*(_split(part, step, axis, shape[axis]) for part in parts), strict=True)
        return torch.cat([self._blockwise(*block) for block in blocks], axis)

    def _layer_by_layer(self, x: Tensor, *more: Tensor) -> Tensor:
        for number, layer in enumerate(self.layers):
            x = _in_parts(layer, x, *more) if more and number == 0 else layer(x)
            if number < self.depth:
                x = F.dropout(x.relu_(), self.dropout, self.training) if self.dropout else x.relu_()
        return widened(x)


def side_by_side(*vectors: Float[Tensor, "... _"]) -> list[Float[Tensor, "... _"]]:
    """Concatenate neighbours with the same leading dimensions: the input of an `MLP` in as few parts as possible.

    A vector that many rows share is not repeated for each of them.

    Args:
        *vectors: The vectors in their order; the leading dimensions of each broadcast to those of the next.

    Returns:
        A single concatenation if nothing broadcasts.

    Example:
        >>> user, item = torch.zeros(3, 1, 8), torch.zeros(3, 5, 8)
        >>> [part.shape[-1] for part in side_by_side(user, item, user * item)]
        [8, 16]
    """
    groups = [[*group] for _, group in groupby(vectors, key=lambda each: each.shape[:-1])]
    return [torch.cat(group, -1) if len(group) > 1 else group[0] for group in groups]


def _in_parts(layer: nn.Module, x: Tensor, *more: Tensor) -> Tensor:
    """A linear layer of the concatenated parts: each is multiplied by its own columns of the weight."""
    assert isinstance(layer, nn.Linear)
    own, *others = layer.weight.split([part.shape[-1] for part in (x, *more)], 1)
    out = F.linear(x, own, layer.bias)
    for part, weight in zip(more, others, strict=True):
        out = F.linear(part, weight).add_(out)
    return out


def _split(part: Tensor, step: int, axis: int, length: int) -> Sequence[Tensor]:
    """The blocks of a part along an axis; a part that broadcasts there belongs to every block."""
    return part.split(step, axis) if part.shape[axis] == length else [part] * -(-length // step)


class _Layers(torch.autograd.Function):
    """All layers, block by block."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, depth: int, dropout: float, dtype: torch.dtype, *parameters: Tensor) -> Tensor:
        ctx.depth, ctx.dropout, ctx.given, ctx.kept = depth, dropout, x.dtype, parameters[0].dtype
        x, *rounded = (each.to(dtype) for each in (x, *parameters))
        weights, biases = rounded[::2], rounded[1::2]
        values = [x, *(x.new_empty(len(x), len(weight)) for weight in weights)]
        for rows in _blocks(values):
            for number, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
                out = torch.addmm(bias, values[number][rows], weight.T, out=values[number + 1][rows])
                if number < depth:
                    F.dropout(out.relu_(), dropout, dropout > 0, inplace=True)
        ctx.save_for_backward(*values[: depth + 1], *weights)
        return values[-1].to(ctx.kept)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        values, weights = ctx.saved_tensors[: ctx.depth + 1], ctx.saved_tensors[ctx.depth + 1 :]
        shapes = [shape for weight in weights for shape in (weight.shape, weight.shape[:1])]
        grads = [grad.new_zeros(shape) for shape in shapes]
        x_grad = torch.empty_like(values[0])
        for rows in _blocks([*values, grad]):
            flow = grad[rows].to(x_grad.dtype)
            if ctx.depth == len(weights):
                flow = _through(flow.clone(), values[-1][rows], ctx.dropout)
            for number in reversed(range(len(weights))):
                value = values[number][rows]
                add_product(grads[2 * number], flow.T, value)
                grads[2 * number + 1] += flow.sum(0, dtype=grad.dtype)
                if number:
                    flow = _through(torch.mm(flow, weights[number]), value, ctx.dropout)
            torch.mm(flow, weights[0], out=x_grad[rows])
        return x_grad.to(ctx.given), None, None, None, *grads


def _through(grad: Tensor, value: Tensor, dropout: float) -> Tensor:
    """The gradient before ReLU and dropout, in place; both pass exactly the outputs above 0."""
    torch.ops.aten.threshold_backward.grad_input(grad, value, 0, grad_input=grad)
    return grad.div_(1 - dropout) if dropout else grad


def _blocks(values: Sequence[Tensor]) -> Iterator[slice]:
    size = BLOCK // max(value.shape[1] for value in values)
    for start in range(0, len(values[0]), size):
        yield slice(start, start + size)
