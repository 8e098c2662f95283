"""Parts that round are told from parts that get types wrong, whatever the state of the random numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from motet.testing.precision import _difference, check_precision


class Linear(nn.Module):
    """Two numbers, each a product of all weights."""

    def __init__(self, weights: list[float]) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.tensor(weights))

    def forward(self) -> Tensor:
        return torch.eye(len(self.weights), dtype=self.weights.dtype) @ self.weights


class Ranked(Linear):
    """Its first number counts twice if it is the larger one."""

    def forward(self) -> Tensor:
        scores = super().forward()
        return scores * torch.tensor([2.0 if scores[0] > scores[1] else 1.0, 1.0])


class Wrong(Linear):
    """Other numbers in bfloat16."""

    def forward(self) -> Tensor:
        return super().forward() * (1.1 if torch.is_autocast_enabled("cpu") else 1)


class Stuck(Linear):
    """No gradient in float64."""

    def forward(self) -> Tensor:
        found = super().forward()
        return found.detach() + 0 * found if found.dtype == torch.float64 else found


class Overflowing(Linear):
    """Not a number in bfloat16."""

    def forward(self) -> Tensor:
        return super().forward() * (math.nan if torch.is_autocast_enabled("cpu") else 1)


def run(part: nn.Module) -> Mapping[str, Tensor]:
    return {"the sum": part()}


def test_a_kink_within_rounding_of_the_weights_is_no_fault() -> None:
    part = Ranked([1 + 2**-9, 1.0])
    assert _difference(part, run).startswith("under torch.autocast in bfloat16, the sum is 0.")
    check_precision(part, run)
    torch.testing.assert_close(part.weights.detach(), torch.tensor([1 + 2**-9, 1.0]), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("part", "told"),
    [
        (Wrong([1.0, 2.0]), "under torch.autocast in bfloat16, the sum is 0.1 of its norm away from float32"),
        (Stuck([1.0, 2.0]), "with weights in float64, the gradient is 1 of its norm away from float32"),
        (Overflowing([1.0, 2.0]), "under torch.autocast in bfloat16, the sum is not finite"),
    ],
)
def test_what_is_wrong_for_all_weights_is_found(part: Linear, told: str) -> None:
    with pytest.raises(AssertionError, match=told):
        check_precision(part, run)


def test_the_check_neither_reads_nor_moves_the_random_state() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    check_precision(Ranked([1 + 2**-9, 1.0]), run)
    assert torch.equal(torch.rand(3), expected)
