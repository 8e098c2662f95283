"""Softmax over a pool: TFRS's hand-checked cases, and equality with the pool written out."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from motet.data.batch import distinct
from motet.errors import ConfigError
from motet.losses import logsumexp
from motet.losses.logsumexp import Dropped, logsumexp_scores
from motet.losses.softmax import in_batch_softmax, softmax_loss


def written_out(
    q: Tensor,
    v: Tensor,
    *,
    ids: Tensor | None = None,
    shift: Tensor | None = None,
    mask: Tensor | None = None,
    hard: int | None = None,
) -> Tensor:
    """The reference: every copy a column, a loop over rows."""
    losses = []
    for r in range(len(q)):
        scores = (q[r] @ v.T).reshape(-1, len(v)).amax(0)
        scores = scores if shift is None else scores + shift
        keep = torch.ones(len(v), dtype=torch.bool) if mask is None else mask[r].clone()
        if ids is not None:
            keep &= ids != ids[r]
        keep[r] = False
        negatives = scores[keep]
        if hard is not None:
            negatives = negatives.sort(descending=True).values[:hard]
        losses.append(torch.cat([scores[r : r + 1], negatives]).logsumexp(0) - scores[r])
    return torch.stack(losses)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_the_tfrs_case_by_hand() -> None:
    q, v = torch.tensor([[1.0, 2, 3], [2, 3, 4]]), torch.tensor([[1.0, 1, 1], [1, 1, 0]])
    assert in_batch_softmax(q, v).sum().item() == pytest.approx(-math.log(sigmoid(3)) - math.log(1 - sigmoid(4)))


def test_an_extra_candidate_is_a_negative_of_all_rows() -> None:
    q, v = torch.tensor([[3.0, 2, 1], [2, 3, 4]]), torch.tensor([[0.0, 1, 0], [0, 1, 1], [1, 1, 0]])
    scores = torch.tensor([[2.0, 3, 5], [3, 7, 5]])
    torch.testing.assert_close(in_batch_softmax(q, v), F.cross_entropy(scores, torch.arange(2), reduction="none"))


def test_the_best_head_counts() -> None:
    q = torch.tensor([[[3.0, 2, 1], [1, 2, 3]], [[2, 3, 4], [4, 3, 2]]])
    v = torch.tensor([[0.0, 1, 0], [0, 1, 1], [1, 1, 0]])
    scores = torch.tensor([[2.0, 5, 5], [3, 7, 7]])
    torch.testing.assert_close(in_batch_softmax(q, v), F.cross_entropy(scores, torch.arange(2), reduction="none"))


@pytest.mark.parametrize("heads", [None, 3])
@pytest.mark.parametrize("remove", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("hard", [None, 1, 4, 1000])
@pytest.mark.parametrize("weighted", [False, True])
def test_equals_the_pool_written_out(
    heads: int | None, remove: bool, masked: bool, hard: int | None, weighted: bool
) -> None:
    generator = torch.Generator().manual_seed(7)
    rows, extra, dim = 40, 9, 5
    ids = torch.randint(0, 12, (rows + extra,), generator=generator)
    table = torch.randn(12, dim, generator=generator, dtype=torch.float64)
    shape = (rows, dim) if heads is None else (rows, heads, dim)
    q = torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
    v = table[ids].requires_grad_()
    probability = torch.rand(12, generator=generator, dtype=torch.float64)[ids] * 1e-2
    mask = torch.rand(rows, rows + extra, generator=generator) < 0.7 if masked else None
    weights = torch.rand(rows, generator=generator, dtype=torch.float64) if weighted else torch.ones(rows).double()

    ours = in_batch_softmax(
        q,
        v,
        sampling_probability=probability,
        candidate_ids=ids,
        remove_accidental_hits=remove,
        mask=mask,
        hard_negatives=hard,
        temperature=0.5,
    )
    shift = -probability.clamp(1e-6, 1).log()
    theirs = written_out(q / 0.5, v, ids=ids if remove else None, shift=shift, mask=mask, hard=hard)
    torch.testing.assert_close(ours, theirs)

    grads = torch.autograd.grad((ours * weights).sum(), (q, v))
    expected = torch.autograd.grad((theirs * weights).sum(), (q, v))
    torch.testing.assert_close(grads[0], expected[0])
    by_item = [torch.zeros(12, dim).double().index_add_(0, ids, g) for g in (grads[1], expected[1])]
    torch.testing.assert_close(*by_item)  # copies share a vector: only the sum over copies is defined


@pytest.mark.parametrize("remove", [False, True])
def test_distinct_queries_and_candidates_equal_every_copy(remove: bool) -> None:
    generator = torch.Generator().manual_seed(3)
    users = torch.randint(0, 6, (50,), generator=generator)
    items = torch.randint(0, 9, (50,), generator=generator)
    u = torch.randn(6, 4, generator=generator).double().requires_grad_()
    v = torch.randn(9, 4, generator=generator).double().requires_grad_()
    who, what = distinct(users), distinct(items)
    ours = softmax_loss(
        u[who.rows],
        v[what.rows],
        what.index,
        query_of_row=who.index,
        counts=what.counts,
        remove_accidental_hits=remove,
    )
    theirs = written_out(u[users], v[items], ids=items if remove else None)
    torch.testing.assert_close(ours, theirs)
    for a, b in zip(torch.autograd.grad(ours.mean(), (u, v)), torch.autograd.grad(theirs.mean(), (u, v)), strict=True):
        torch.testing.assert_close(a, b)


def test_a_dropped_pair_is_no_negative_of_any_row_of_the_query() -> None:
    scores = torch.tensor([[1.0, 2.0, 3.0]])
    rows = softmax_loss(
        torch.ones(1, 1),
        scores.T.contiguous(),
        torch.tensor([0, 1]),
        query_of_row=torch.tensor([0, 0]),
        dropped=Dropped(torch.tensor([0, 0]), torch.tensor([0, 1])),
    )
    expected = [torch.tensor([1.0, 3.0]).logsumexp(0) - 1, torch.tensor([2.0, 3.0]).logsumexp(0) - 2]
    torch.testing.assert_close(rows, torch.stack(expected))


def test_a_row_whose_negatives_are_all_dropped_costs_nothing_and_has_no_gradient() -> None:
    q = torch.ones(1, 2, requires_grad=True)
    v = torch.ones(3, 2, requires_grad=True)
    loss = in_batch_softmax(q, v, mask=torch.zeros(1, 3, dtype=torch.bool), candidate_ids=torch.tensor([1, 1, 2]))
    loss.sum().backward()
    assert loss.item() == 0
    assert q.grad is not None
    assert not q.grad.any()


def test_blocks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    q, v = torch.randn(100, 8).double(), torch.randn(70, 8).double()
    b = torch.randn(70).double()
    whole = logsumexp_scores(q, v, b)
    monkeypatch.setitem(logsumexp._BLOCK_SCORES, "cpu", 70 * 17)
    monkeypatch.setattr(logsumexp, "_QUERIES", 1)
    torch.testing.assert_close(logsumexp_scores(q, v, b), whole)
    torch.testing.assert_close(whole, (q @ v.T + b).logsumexp(1))


def test_gradients_by_finite_differences() -> None:
    torch.manual_seed(0)
    q, v, b = (torch.randn(*s).double().requires_grad_() for s in ((5, 2, 3), (6, 3), (6,)))
    dropped = Dropped(torch.tensor([0, 0, 3]), torch.tensor([1, 4, 5]))
    assert torch.autograd.gradcheck(lambda *x: logsumexp_scores(*x, dropped=dropped), (q, v, b))


def test_large_scores_do_not_overflow() -> None:
    q = torch.full((2, 1), 1e4)
    v = torch.tensor([[1.0], [-1.0]])
    torch.testing.assert_close(in_batch_softmax(q, v), torch.tensor([0.0, 2e4]))


def test_errors() -> None:
    q, v = torch.ones(3, 2), torch.ones(2, 2)
    with pytest.raises(ConfigError, match="3 queries against 2 candidates"):
        in_batch_softmax(q, v)
    with pytest.raises(ConfigError, match="needs candidate_ids"):
        in_batch_softmax(q[:2], v, remove_accidental_hits=True)
    with pytest.raises(ConfigError, match="hard_negatives is 0"):
        in_batch_softmax(q[:2], v, hard_negatives=0)
    with pytest.raises(ConfigError, match="1 candidate_ids for 2 candidates; give one per candidate"):
        in_batch_softmax(q[:1], v, candidate_ids=torch.tensor([7]))
    with pytest.raises(ConfigError, match="1 sampling_probability for 2 candidates; give one per candidate"):
        in_batch_softmax(q[:1], v, sampling_probability=torch.tensor([0.5]))
    with pytest.raises(ConfigError, match=r"a mask of shape \(1, 1\) for 1 queries and 2 candidates"):
        in_batch_softmax(q[:1], v, mask=torch.ones(1, 1, dtype=torch.bool))


@pytest.mark.parametrize("heads", [(), (3,)])
def test_products_in_bfloat16(heads: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logsumexp, "_BLOCK_SCORES", {"cpu": 0})
    monkeypatch.setattr(logsumexp, "_QUERIES", 20)
    q, v, b = torch.randn(50, *heads, 8), torch.randn(30, 8), torch.randn(30)
    dropped = Dropped(torch.arange(50), torch.arange(50) % 30)
    found = []
    for rounded in (False, True):
        inputs = [each.clone().requires_grad_() for each in (q, v, b)]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=rounded):
            values = logsumexp_scores(*inputs, dropped=dropped)
        assert values.dtype == torch.float32
        found.append((values.detach(), *torch.autograd.grad(values.square().sum(), inputs)))
    for exact, near in zip(*found, strict=True):
        assert float((near - exact).norm() / exact.norm()) < 0.02
    assert not torch.equal(found[0][1], found[1][1])
