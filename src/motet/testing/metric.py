"""The contract of a metric."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from motet.metrics.base import CorpusMetric, ListMetric, Metric, PointMetric


def check_metric(build: Callable[[], Metric], *, seed: int = 0, probabilities: bool = False) -> None:
    """Check that a metric can be accumulated and merged, ignores row order and zero weights, and tells good from bad.

    Args:
        build: Returns a new metric.
        seed: Seed of the rows.
        probabilities: Whether the metric compares probabilities with labels of 0 and 1.

    Raises:
        AssertionError: If the metric breaks the contract.

    Example:
        >>> from motet.metrics import RMSE
        >>> check_metric(RMSE)
    """
    generator = torch.Generator().manual_seed(seed)
    size = 60
    first = torch.randint(1, 20, (size,), generator=generator).double()
    second = torch.randint(7, (size,), generator=generator)
    if not isinstance(build(), CorpusMetric):
        first, second = (first.float() / 20, second % 2.0) if probabilities else (first.float() / 7, second.float() / 2)
    weights = torch.randint(1, 4, (size,), generator=generator).float()
    columns: tuple[Tensor, ...] = (first, second)
    if isinstance(build(), ListMetric):
        columns = (first, second, torch.randint(9, (size,), generator=generator))
    order, cut = torch.randperm(size, generator=generator), size // 3
    figures = partial(_figures, build)
    whole = figures((*columns, weights))
    empty = tuple(column[:0] for column in columns)
    for nothing in (figures(), figures(empty), figures((*columns, torch.zeros(size)))):
        assert all(math.isnan(figure) for figure in nothing.values()), (
            f"without rows the figures are {nothing}, not NaN"
        )
    assert all(math.isfinite(figure) for figure in whole.values()), f"{whole} are not all finite"
    shuffled = tuple(column[order] for column in (*columns, weights))
    _same(whole, figures(shuffled), "a different order of rows changes the figures")
    parts = [tuple(column[part] for column in (*columns, weights)) for part in (slice(cut), slice(cut, None))]
    _same(whole, figures(*parts), "two updates give different figures than one")
    _same(whole, figures(*parts, merged=True), "merging two parts gives different figures than the whole")
    _same(whole, figures((*columns, 2 * weights)), "doubling all weights changes the figures")
    _same(figures(columns), figures((*columns, torch.ones(size))), "weights of 1 change the figures")
    users = columns[-1].long() if not isinstance(build(), PointMetric) else torch.arange(size) % 9
    _check_users(build, (*columns, weights), users)
    padded = tuple(torch.cat([column, column[:9].flip(0)]) for column in columns)
    _same(whole, figures((*padded, torch.cat([weights, torch.zeros(9)]))), "rows of weight 0 change the figures")
    if isinstance(build(), CorpusMetric):
        each = torch.arange(size)
        perfect, last = (figures((torch.full((size,), rank, dtype=torch.float64), each)) for rank in (1.0, 1e4))
        _check_depth(build, (*columns, weights))
    else:
        worst = 1 - second if probabilities else 3 - 2 * second  # wrong values, in reverse order
        perfect, last = (figures((scores, *columns[1:])) for scores in (second, worst))
    assert perfect != last, f"perfect and worst possible predictions both give {perfect}"


def _check_depth(build: Callable[[], Metric], columns: tuple[Tensor, ...]) -> None:
    """Ranks beyond the depth of a metric may be infinite."""
    metric, (ranks, *others) = build(), columns
    assert isinstance(metric, CorpusMetric)
    cut = ranks.where(ranks <= metric.depth, torch.inf)
    _same(_figures(build, columns), _figures(build, (cut, *others)), "ranks beyond its depth change the figures")


def _check_users(build: Callable[[], Metric], columns: tuple[Tensor, ...], users: Tensor) -> None:
    """Counting a user c times equals multiplying the weights of the user's rows by c, also in a fast path."""
    counts = torch.tensor([[1, 1, 1, 1, 1, 1, 1, 1, 1], [0, 2, 1, 3, 0, 1, 0, 2, 1]]).double()
    for key, metric in build().parts("figure").items():
        short, anew = (
            by_user(columns, users, 9)(counts) for by_user in (metric.by_user, partial(Metric.by_user, metric))
        )
        told = f"{key} is {short.tolist()} by user counts, but {anew.tolist()} by weights times counts"
        assert torch.allclose(short, anew, rtol=1e-9, atol=1e-12, equal_nan=True), told
        weighed = _figures(build, columns)[key]
        assert math.isclose(float(short[0]), weighed, rel_tol=1e-9), (
            f"{key} with each user counted once is not {weighed}"
        )


def _figures(build: Callable[[], Metric], *parts: tuple[Tensor, ...], merged: bool = False) -> dict[str, float]:
    metrics = [build() for _ in parts] if merged else [build()] * len(parts)
    for metric, part in zip(metrics, parts, strict=True):
        kinds = PointMetric | ListMetric | CorpusMetric
        assert isinstance(metric, kinds), f"{metric} is not a PointMetric, ListMetric or CorpusMetric"
        metric.update(*part)
    whole = metrics[0] if metrics else build()
    for other in metrics[1:] if merged else []:
        whole.merge(other)
    return whole.figures("figure")


def _same(first: dict[str, float], second: dict[str, float], complaint: str) -> None:
    alike = first.keys() == second.keys() and all(math.isclose(first[key], second[key], rel_tol=1e-9) for key in first)
    assert alike, f"{complaint}: {first} and {second}"
