"""Seeds: the same numbers from the same seed, and which seeds there are."""

from __future__ import annotations

import pytest
import torch

from motet.data.seed import seeded
from motet.errors import ConfigError


@pytest.mark.parametrize("seed", [0, -(2**63), 2**63, 2**64 - 1])
def test_equal_seeds_draw_equal_numbers(seed: int) -> None:
    assert torch.equal(torch.rand(3, generator=seeded(seed)), torch.rand(3, generator=seeded(seed)))


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1, 1.5, "7", None, True])
def test_other_seeds_are_refused(seed: object) -> None:
    with pytest.raises(ConfigError, match=r"^seed=.*; a seed is a whole number of at most 64 bits, such as 7$"):
        seeded(seed)  # type: ignore[arg-type]
