"""The losses of a funnel, against the products they must not take."""

from __future__ import annotations

import pytest
import torch

from motet.errors import DataError
from motet.losses import cumulative_log_probs, funnel_losses

LOGITS = torch.randn(20, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_is_the_cross_entropy_of_the_products() -> None:
    labels = (torch.rand(20, 4, generator=torch.Generator().manual_seed(1)) < 0.6).double().cumprod(1)
    labels[::3, 2] = torch.nan
    found = funnel_losses(LOGITS, labels)
    for row in range(20):
        probability = 1.0
        for stage in range(4):
            probability *= LOGITS[row, stage].sigmoid()
            label = labels[row, stage]
            expected = -(label * probability.log() + (1 - label) * (1 - probability).log())  # type: ignore[attr-defined]
            torch.testing.assert_close(found[row, stage], torch.zeros(()).double() if label.isnan() else expected)


def test_getting_there_and_not_getting_there_add_up() -> None:
    reached, missed = cumulative_log_probs(LOGITS)
    torch.testing.assert_close(reached.exp() + missed.exp(), torch.ones_like(LOGITS))
    assert (reached.diff() < 0).all()


def test_sure_and_impossible_stages_cost_finite_losses_and_gradients() -> None:
    logits = torch.tensor([[200.0, 200.0], [-200.0, -200.0], [200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
    for labels in (torch.zeros(4, 2), torch.ones(4, 2)):
        losses = funnel_losses(logits, labels)
        assert losses.isfinite().all()
        (gradient,) = torch.autograd.grad(losses.sum(), logits)
        assert gradient.isfinite().all()
    assert funnel_losses(logits, torch.zeros(4, 2))[0, 1].item() == pytest.approx(200 - 0.6931, abs=1e-3)


def test_an_unknown_label_has_no_gradient() -> None:
    logits = LOGITS.clone().requires_grad_()
    labels = torch.ones_like(LOGITS)
    labels[:, 3] = torch.nan
    (gradient,) = torch.autograd.grad(funnel_losses(logits, labels).sum(), logits)
    assert not gradient[:, 3].any()
    assert gradient[:, :3].all()


def test_errors() -> None:
    with pytest.raises(DataError, match=r"labels of shape \(2, 3\) do not match predictions of shape \(2, 2\)"):
        funnel_losses(torch.zeros(2, 2), torch.zeros(2, 3))
