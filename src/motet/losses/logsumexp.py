"""Log-sum-exp of every query's scores, without materialising the score matrix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from motet.layers.precision import add_product, product_dtype, widened

# Scores per block. On a CPU a block should stay in cache from the product to the last pass that reads it (8 MB); a GPU
# prefers a few large kernels.
_BLOCK_SCORES = {"cpu": 2**21}
_BLOCK_SCORES_ELSEWHERE = 2**26
# Every block passes once over all candidates: rather 128 queries than what a cache holds, up to 64 MB of scores.
_QUERIES, _MOST_SCORES = 128, 2**24


class Dropped(NamedTuple):
    """Pairs of a query and a candidate to leave out, sorted by query."""

    queries: Int[Tensor, " pairs"]
    candidates: Int[Tensor, " pairs"]

    def within(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """The pairs of the queries `start <= query < stop`.

        Args:
            start: First query.
            stop: One past the last query.

        Returns:
            Queries, counted from `start`, and candidates.
        """
        ends = torch.tensor([start, stop], device=self.queries.device)
        low, high = torch.searchsorted(self.queries, ends).tolist()
        return self.queries[low:high] - start, self.candidates[low:high]


def blocks(queries: int, scores_each: int, device: torch.device) -> Iterator[tuple[int, int]]:
    """Ranges of queries whose scores are computed together.

    Args:
        queries: Number of queries.
        scores_each: Number of scores per query.
        device: The device of the scores.

    Yields:
        Start and stop of each range.
    """
    each = max(scores_each, 1)
    many = min(_QUERIES, max(16, _MOST_SCORES // each))
    size = max(many, _BLOCK_SCORES.get(device.type, _BLOCK_SCORES_ELSEWHERE) // each)
    for start in range(0, queries, size):
        yield start, min(start + size, queries)


def logsumexp_scores(
    queries: Float[Tensor, "queries *heads dim"],
    candidates: Float[Tensor, "candidates dim"],
    bias: Float[Tensor, " candidates"],
    *,
    dropped: Dropped | None = None,
    weights: Float[Tensor, " queries"] | None = None,
) -> Float[Tensor, " queries"]:
    r"""Log-sum-exp over the candidates of `query . candidate + bias`, differentiable in all three.

    $$ L_q = \log \sum_{c \notin D_q} \exp\big( \max_h \, q_h \cdot v_c + b_c \big) $$

    Scores are computed and consumed block by block. One pass yields the values and, because the gradient of a sum of
    log-sum-exps is a sum of softmax-weighted vectors, also the gradients; memory is linear in queries plus candidates.
    Under `torch.autocast` the products are computed in its type, and everything else in float32.

    Args:
        queries: One vector per query, or several heads, of which the best counts for each candidate.
        candidates: One vector per candidate.
        bias: Added to each candidate's score: for instance the logarithm of its number of copies in the pool.
        dropped: Pairs to leave out of the sum.
        weights: Expected weight of each query's value in the loss, up to a common factor; equal by default. The forward
            pass computes the candidates' gradient for these weights; if the actual weights differ, the backward pass
            sweeps the scores again. The result does not depend on this.

    Returns:
        One value per query; minus infinity where every candidate is dropped.
    """
    queries, candidates, bias = (widened(each) for each in (queries, candidates, bias))
    if weights is None:
        weights = queries.new_ones(len(queries))
    heads_given = queries if queries.dim() == 3 else queries[:, None]
    dtype = product_dtype(candidates)
    value: Tensor = _LogSumExpScores.apply(heads_given, candidates, bias, dropped, weights, dtype)  # type: ignore[no-untyped-call]
    return value


class _Sweep(NamedTuple):
    """The result of one pass over the scores; the gradients are those of `(weights * values).sum()`."""

    values: Tensor  # [queries]
    mean_candidate: Tensor  # [queries, heads, dim]: the gradient of a value with respect to its query
    candidate_grad: Tensor  # [candidates, dim]
    bias_grad: Tensor  # [candidates]


class _LogSumExpScores(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        queries: Tensor,
        candidates: Tensor,
        bias: Tensor,
        dropped: Dropped | None,
        weights: Tensor,
        dtype: torch.dtype,
    ) -> Tensor:
        sweep = _sweep(queries, candidates, bias, dropped, weights, dtype, ctx.needs_input_grad[:3])
        ctx.dropped, ctx.dtype = dropped, dtype
        ctx.save_for_backward(queries, candidates, bias, weights, *sweep[1:])
        return sweep.values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        queries, candidates, bias, weights, mean_candidate, candidate_grad, bias_grad = ctx.saved_tensors
        scale = grad.dot(weights) / weights.dot(weights).clamp(min=torch.finfo(weights.dtype).tiny)  # of no queries, 0
        if torch.allclose(grad, scale * weights, rtol=1e-6, atol=0):
            candidate_grad, bias_grad = scale * candidate_grad, scale * bias_grad
        else:
            sweep = _sweep(queries, candidates, bias, ctx.dropped, grad, ctx.dtype, ctx.needs_input_grad[:3])
            candidate_grad, bias_grad = sweep.candidate_grad, sweep.bias_grad
        return grad[:, None, None] * mean_candidate, candidate_grad, bias_grad, None, None, None


def _sweep(
    queries: Tensor,
    candidates: Tensor,
    bias: Tensor,
    dropped: Dropped | None,
    weights: Tensor,
    dtype: torch.dtype,
    gradients: tuple[bool, bool, bool],
) -> _Sweep:
    n, heads, dim = queries.shape
    rounded = candidates.to(dtype)
    transposed = (rounded if heads == 1 else candidates).T.contiguous()  # rounded scores of several heads would tie
    values = queries.new_empty(n)
    mean_candidate = torch.empty_like(queries)
    # A last column for the gradient of the bias, which is seldom needed and costs a twelfth of the sweep.
    sums = queries.new_zeros(len(candidates), dim + gradients[2])
    ranges = list(blocks(n, len(candidates) * heads, queries.device))
    # Buffers for all blocks (the first is the largest): allocating memory would cost as much as the product.
    buffer = queries.new_empty(ranges[0][1] * heads if ranges else 0, len(candidates))
    operand = buffer if dtype == buffer.dtype else torch.empty_like(buffer, dtype=dtype)
    for start, stop in ranges:
        vectors = queries[start:stop].reshape(-1, dim)
        scores = _scores(vectors, transposed, bias, buffer[: len(vectors)], operand[: len(vectors)])
        exps, best = _best_head(scores, heads)
        if dropped is not None:
            exps[dropped.within(start, stop)] = -torch.inf
        top = exps.amax(1, keepdim=True).clamp_(min=torch.finfo(exps.dtype).min)  # finite where all are dropped
        total = exps.sub_(top).exp_().sum(1, keepdim=True)
        values[start:stop] = (top + total.log()).squeeze(1)
        if not any(gradients):
            continue
        total.clamp_(min=1)  # the largest term is 1, unless all are dropped and the gradient is 0
        exps = _spread(exps, best, heads)
        if operand is not buffer:
            exps = operand[: len(vectors)].copy_(exps)
        total = total.repeat_interleave(heads, 0)
        share = weights[start:stop, None].repeat_interleave(heads, 0) / total
        mean_candidate[start:stop] = ((exps @ rounded) / total).view(-1, heads, dim)
        pulls = vectors * share
        add_product(sums, exps.T, (torch.cat([pulls, share], 1) if gradients[2] else pulls).to(dtype))
    return _Sweep(values, mean_candidate, sums[:, :dim], sums[:, dim:].sum(1))


def _scores(vectors: Tensor, transposed: Tensor, bias: Tensor, buffer: Tensor, operand: Tensor) -> Tensor:
    """Scores in the buffer, by a product in the type of the candidates."""
    if transposed.dtype == buffer.dtype:
        return torch.addmm(bias, vectors, transposed, out=buffer)
    return buffer.copy_(torch.mm(vectors.to(operand.dtype), transposed, out=operand)).add_(bias)


def _best_head(scores: Tensor, heads: int) -> tuple[Tensor, Tensor | None]:
    if heads == 1:
        return scores, None
    best = scores.view(-1, heads, scores.shape[1]).max(1)
    return best.values, best.indices


def _spread(exps: Tensor, best: Tensor | None, heads: int) -> Tensor:
    """Assign each candidate's term to the head that scored it; 0 for other heads."""
    if best is None:
        return exps
    spread = exps.new_zeros(len(exps), heads, exps.shape[1])
    return spread.scatter_(1, best[:, None], exps[:, None]).view(-1, exps.shape[1])
