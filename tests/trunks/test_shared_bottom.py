"""One network for all heads."""

from __future__ import annotations

import pytest
import torch

from motet.errors import ConfigError
from motet.layers import MLP
from motet.testing import check_trunk
from motet.trunks import SharedBottom


def test_contract() -> None:
    check_trunk(lambda: SharedBottom((8, 4), product=True, dropout=0.5))


def test_formula() -> None:
    trunk = SharedBottom((8, 4))
    trunk.build(6, ["click", "buy"])
    mlp = MLP(6, hidden=(8, 4))
    mlp.load_state_dict(trunk.mlp.state_dict())
    pairs = torch.randn(5, 6)
    read = trunk(pairs)
    assert read["click"] is read["buy"]
    assert torch.equal(read["buy"], mlp(pairs))


def test_errors() -> None:
    with pytest.raises(ConfigError, match=r"hidden=\(\); give at least one layer, each of width 1 or more"):
        SharedBottom(())
    with pytest.raises(ConfigError, match=r"hidden=\(8, 0\); give at least one layer"):
        SharedBottom((8, 0))
    with pytest.raises(ConfigError, match=r"dropout=1: the share of values to drop must satisfy 0 <= dropout < 1"):
        SharedBottom(dropout=1)
