"""Cross layers over both vectors."""

from __future__ import annotations

import pytest
import torch

from motet.errors import ConfigError
from motet.testing import check_trunk
from motet.trunks import CrossNetwork


@pytest.mark.parametrize("rank", [None, 3])
def test_contract(rank: int | None) -> None:
    check_trunk(lambda: CrossNetwork(2, rank=rank, hidden=(8, 5), dropout=0.2))


def test_formula() -> None:
    torch.manual_seed(0)
    trunk = CrossNetwork(2, hidden=(4,))
    trunk.build(6, ["click", "buy"])
    pairs = torch.randn(5, 6)
    x = pairs
    for cross in trunk.crosses:
        (layer,) = (each for each in cross.weights if isinstance(each, torch.nn.Linear))
        x = pairs * (x @ layer.weight.T + layer.bias) + x
    read = trunk(pairs)
    assert read["click"] is read["buy"]
    torch.testing.assert_close(read["buy"], trunk.mlp(x))


def test_errors() -> None:
    with pytest.raises(ConfigError, match="layers=0; it must be at least 1"):
        CrossNetwork(0)
    trunk = CrossNetwork(rank=7)
    with pytest.raises(ConfigError, match="rank 7 of a cross layer must lie between 1 and its width 6"):
        trunk.build(6, ["click"])
