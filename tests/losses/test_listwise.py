"""Listwise losses against plain loops over rows."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from motet.errors import ConfigError, DataError
from motet.losses import lambda_rank, list_mle, pairwise_hinge, pairwise_logistic
from motet.losses.listwise import ListLoss, against_chance

NAMES = {"listmle": list_mle, "lambda": lambda_rank, "hinge": pairwise_hinge, "logistic": pairwise_logistic}


def drawn(seed: int, rows: int = 24) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(rows, generator=generator, dtype=torch.float64)
    labels = torch.randint(5, (rows,), generator=generator).double()
    labels[torch.rand(rows, generator=generator) < 0.2] = torch.nan
    return scores, labels, torch.randint(5, (rows,), generator=generator)


def lists(labels: Tensor, groups: Tensor) -> list[list[int]]:
    known = [row for row in range(len(labels)) if not labels[row].isnan()]
    return [[row for row in known if groups[row] == group] for group in groups.unique()]


def looped_mle(s: Tensor, y: Tensor, rows: list[int]) -> float:
    total = 0.0
    for row in rows:
        below = [other for other in rows if y[other] < y[row]]
        total -= math.log(s[row].exp() / (s[row].exp() + sum(s[other].exp() for other in below)))
    return total


def looped_pairs(loss: Callable[[float], float]) -> Callable[[Tensor, Tensor, list[int]], float]:
    return lambda s, y, rows: sum(loss(float(s[i] - s[j])) for i in rows for j in rows if y[i] > y[j])


def ndcg(order: list[int], y: Tensor) -> float:
    gains = sorted((float(2 ** y[row] - 1) for row in order), reverse=True)
    best = sum(gain / math.log2(2 + place) for place, gain in enumerate(gains))
    return sum(float(2 ** y[row] - 1) / math.log2(2 + place) for place, row in enumerate(order)) / (best or 1)


def looped_lambda(s: Tensor, y: Tensor, rows: list[int]) -> float:
    order = sorted(rows, key=lambda row: -s[row])
    total = 0.0
    for i in rows:
        for j in rows:
            if y[i] > y[j]:
                a, b = order.index(i), order.index(j)
                swapped = list(order)
                swapped[a], swapped[b] = j, i
                total += abs(ndcg(order, y) - ndcg(swapped, y)) * math.log1p(math.exp(s[j] - s[i]))
    return total


LOOPS = {
    list_mle: looped_mle,
    pairwise_logistic: looped_pairs(lambda gap: math.log1p(math.exp(-gap))),
    pairwise_hinge: looped_pairs(lambda gap: max(0.0, 1 - gap)),
    lambda_rank: looped_lambda,
}


@pytest.mark.parametrize("loss", LOOPS)
@pytest.mark.parametrize("seed", range(4))
def test_a_list_adds_up_to_the_loop_over_its_rows(loss: ListLoss, seed: int) -> None:
    scores, labels, groups = drawn(seed)
    found = loss(scores, labels, groups)
    for rows in lists(labels, groups):
        assert found[rows].sum().item() == pytest.approx(LOOPS[loss](scores, labels, rows))
    assert not found[labels.isnan()].any()


@pytest.mark.parametrize("loss", [*LOOPS, *map(against_chance, NAMES)])
def test_gradients(loss: ListLoss) -> None:
    scores, labels, groups = drawn(9)
    scores.requires_grad_()
    assert torch.autograd.gradcheck(lambda s: loss(s, labels, groups), scores)


@pytest.mark.parametrize("loss", LOOPS)
def test_order_shift_and_size_of_scores_do_no_harm(loss: ListLoss) -> None:
    scores, labels, groups = drawn(2)
    scores[3] = scores[4]
    found = loss(scores, labels, groups)
    order = torch.randperm(len(scores), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(loss(scores[order], labels[order], groups[order]), found[order])
    torch.testing.assert_close(loss(scores + 5, labels, groups), found)
    large = (1e4 * scores).requires_grad_()
    loss(large, labels, groups).sum().backward()
    assert large.grad is not None
    assert large.grad.isfinite().all()


@pytest.mark.parametrize("loss", LOOPS)
def test_equal_labels_single_rows_and_no_rows_have_no_loss(loss: ListLoss) -> None:
    scores = torch.tensor([1.0, 2.0, 3.0])
    assert not loss(scores, torch.tensor([2.0, 2.0, 4.0]), torch.tensor([1, 1, 5])).any()
    assert not loss(scores, torch.full((3,), torch.nan), torch.tensor([1, 1, 1])).any()
    assert len(loss(scores[:0], scores[:0], torch.zeros(0, dtype=torch.int64))) == 0


@pytest.mark.parametrize("name", NAMES)
def test_against_chance_a_list_of_equal_scores_averages_to_one(name: str) -> None:
    _, labels, groups = drawn(1)
    found = against_chance(name)(torch.zeros(24, dtype=torch.float64), labels, groups)
    scores = drawn(3)[0]
    parts, divided = NAMES[name](scores, labels, groups), against_chance(name)(scores, labels, groups)
    for rows in lists(labels, groups):
        if len(labels[rows].unique()) > 1:
            assert found[rows].mean().item() == pytest.approx(1)
            torch.testing.assert_close(divided[rows] / divided[rows].sum(), parts[rows] / parts[rows].sum())
        else:
            assert not found[rows].any()


def test_lambda_weighs_a_list_by_its_pairs_of_now() -> None:
    labels, groups = torch.tensor([2.0, 1.0, 0.0]), torch.tensor([7, 7, 7])
    scores = torch.tensor([0.5, 1.0, 0.0])
    weights = lambda_rank(scores, labels, groups).sum() / against_chance("lambda")(scores, labels, groups).mean()
    expected = sum(
        abs(ndcg(order, labels) - ndcg([1, 0, 2], labels)) for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0])
    ) * math.log(2)
    assert weights.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.usefixtures("unchecked_types")
def test_refusals() -> None:
    with pytest.raises(DataError, match=r"scores, labels and groups have shapes \[3\], \[3, 1\], \[3\]; all must be"):
        list_mle(torch.zeros(3), torch.zeros(3, 1), torch.zeros(3).long())
    with pytest.raises(ConfigError, match=r"loss='listmel' is not one of 'listmle', .*; did you mean 'listmle'"):
        against_chance("listmel")
    with pytest.raises(DataError, match="label -1 is not a grade"):
        lambda_rank(torch.zeros(2), torch.tensor([-1.0, 0.0]), torch.tensor([1, 1]))
