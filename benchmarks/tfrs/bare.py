"""What the matrix products inside motet's figures cost by themselves: the floor no implementation passes.

Only products are done, at the same shapes, into memory that is there already, in blocks of the size at which they are
fastest; no exponentials, no lookups, no optimizer.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from benchmarks.measure import median_seconds

BLOCK = 2**20  # scores held at a time: 4 MB, which stay in cache
HEAD = (64, 256, 128, 1)


def softmax_step(queries: int, candidates: int, dim: int = 32) -> float:
    """Seconds for the three products of an in-batch softmax: the scores, and the gradient of either side."""
    user, item = torch.randn(queries, dim), torch.randn(candidates, dim)
    transposed = item.T.contiguous()
    size = max(16, BLOCK // candidates)
    scores, user_grad, item_grad = torch.empty(size, candidates), torch.empty(size, dim), torch.zeros(candidates, dim)

    def products() -> None:
        for start in range(0, queries, size):
            rows = user[start : start + size]
            block = torch.mm(rows, transposed, out=scores[: len(rows)])
            torch.mm(block, item, out=user_grad[: len(rows)])
            item_grad.addmm_(block.T, rows, beta=0)

    return median_seconds(products)


def head_step(rows: int, *, gradients: bool = True) -> float:
    """Seconds for the products of the rating head: one a layer forward, two backward."""
    sizes = list(pairwise(HEAD))
    inputs = [torch.randn(rows, width) for width in HEAD]
    weights = [torch.randn(*size) for size in sizes]
    outputs = [torch.empty(rows, width) for width in HEAD]
    weight_grads = [torch.empty(size) for size in sizes]

    def products() -> None:
        for layer, weight in enumerate(weights):
            torch.mm(inputs[layer], weight, out=outputs[layer + 1])
        if gradients:
            for layer, weight in enumerate(weights):
                torch.mm(inputs[layer].T, inputs[layer + 1], out=weight_grads[layer])
                torch.mm(inputs[layer + 1], weight.T, out=outputs[layer])

    return median_seconds(products)


def ranking(queries: int, candidates: int, dim: int = 32) -> float:
    """Seconds for the scores of every query and candidate, a block of 256 x 2,048 at a time."""
    user, item = torch.randn(queries, dim), torch.randn(candidates, dim).T.contiguous()
    scores = torch.empty(256, 2048)

    def products() -> None:
        for start in range(0, queries, 256):
            rows = user[start : start + 256]
            for left in range(0, candidates, 2048):
                columns = item[:, left : left + 2048]
                torch.mm(rows, columns, out=scores[: len(rows), : columns.shape[1]])

    return median_seconds(products)
