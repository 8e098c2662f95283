"""Losses of logits, by hand and against what they must be best at."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from motet.errors import DataError
from motet.losses import binary_cross_entropy, focal, focal_log_odds

LOGITS = torch.tensor([-2.0, -0.5, 0.0, 1.0, 3.0])
LABELS = torch.tensor([0.0, 1.0, 0.3, 1.0, 0.0])


@pytest.mark.parametrize(("gamma", "weight"), [(0.0, 1.0), (2.0, 1.0), (0.5, 4.0)])
def test_by_hand(gamma: float, weight: float) -> None:
    found = focal(LOGITS, LABELS, gamma=gamma, positive_weight=weight)
    for loss, logit, label in zip(found.tolist(), LOGITS.tolist(), LABELS.tolist(), strict=True):
        p = 1 / (1 + math.exp(-logit))
        happened = -weight * label * (1 - p) ** gamma * math.log(p)
        assert loss == pytest.approx(happened - (1 - label) * p**gamma * math.log(1 - p), rel=1e-5)


def test_without_gamma_it_is_the_cross_entropy_as_torch_has_it() -> None:
    found = binary_cross_entropy(LOGITS, LABELS, positive_weight=3.0)
    torch.testing.assert_close(found, focal(LOGITS, LABELS, gamma=0.0, positive_weight=3.0))
    reference = F.binary_cross_entropy_with_logits(LOGITS, LABELS, reduction="none", pos_weight=torch.tensor(3.0))
    torch.testing.assert_close(found, reference)


@pytest.mark.parametrize("loss", [binary_cross_entropy, focal])
def test_extreme_logits_cost_finite_losses_and_gradients(loss) -> None:  # type: ignore[no-untyped-def]
    logits = torch.tensor([-300.0, 300.0, -300.0, 300.0], requires_grad=True)
    losses = loss(logits, torch.tensor([1.0, 0.0, 0.0, 1.0]))
    torch.testing.assert_close(losses, torch.tensor([300.0, 300.0, 0.0, 0.0]))
    (gradient,) = torch.autograd.grad(losses.sum(), logits)
    torch.testing.assert_close(gradient, torch.tensor([-1.0, 1.0, 0.0, 0.0]))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("probability", [0.01, 0.3, 0.5, 0.9])
def test_focal_log_odds_tell_the_probability_from_the_best_logit(gamma: float, probability: float) -> None:
    logits = torch.linspace(-8, 8, 160_001, dtype=torch.float64)
    best = logits[focal(logits, torch.full_like(logits, probability), gamma=gamma).argmin()]
    assert focal_log_odds(best, gamma=gamma).sigmoid().item() == pytest.approx(probability, rel=2e-3)


def test_focal_log_odds_of_extreme_logits_keep_their_order() -> None:
    odds = focal_log_odds(torch.tensor([-300.0, -120.0, -50.0, 0.0, 50.0, 120.0, 300.0]), gamma=2.0)
    assert not odds.isnan().any()
    assert (odds.diff() >= 0).all()
    torch.testing.assert_close(odds, -odds.flip(0))


@pytest.mark.parametrize("loss", [binary_cross_entropy, focal])
def test_a_column_against_a_row_is_refused(loss) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DataError, match=r"labels of shape \(3, 1\) do not match predictions of shape \(3,\)"):
        loss(torch.zeros(3), torch.zeros(3, 1))
