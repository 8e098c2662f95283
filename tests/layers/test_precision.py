"""Products in a type of their own, and float32 around them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch._subclasses import FakeTensorMode

from motet.errors import ConfigError
from motet.layers import precision
from motet.layers.precision import add_product, check_weights, factors_lost, product_dtype, rounding, widened


def test_the_type_of_products_is_that_of_autocast() -> None:
    single, double = torch.zeros(1), torch.zeros(1, dtype=torch.float64)
    assert product_dtype(single) == torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert product_dtype(single) == torch.bfloat16
        assert product_dtype(double) == torch.float64
        assert (single[None] @ single[:, None]).dtype == torch.bfloat16  # torch's own
        assert (double[None] @ double[:, None]).dtype == torch.float64


@pytest.mark.parametrize(("device", "backend"), [("cpu", torch.backends.mkldnn), ("cuda", torch.backends.cuda)])
def test_factors_lose_what_the_product_is_computed_in(device: str, backend: Any) -> None:
    with FakeTensorMode():
        x = torch.zeros(1, device=device)
    backend.matmul.fp32_precision = "tf32"
    assert factors_lost(x) == 3 * 2**-10
    assert factors_lost(x.double()) == 0
    backend.matmul.fp32_precision = "ieee"
    assert factors_lost(x) == 0


def test_half_precision_is_widened_and_nothing_else() -> None:
    for dtype in (torch.bfloat16, torch.float16):
        assert widened(torch.ones(2, dtype=dtype)).dtype == torch.float32
    for dtype in (torch.float32, torch.float64):
        x = torch.ones(2, dtype=dtype)
        assert widened(x) is x


def test_rounded_products_add_up_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "PIECE", 3)
    a, b = torch.randn(8, 4).bfloat16(), torch.randn(4, 2).bfloat16()
    total = torch.full((8, 2), 1000.0)  # where bfloat16 counts in steps of 4
    add_product(total, a, b)
    torch.testing.assert_close(total, 1000 + (a @ b).float())
    add_product(total, a.float(), b.float())
    torch.testing.assert_close(total, 1000 + 2 * (a.float() @ b.float()), rtol=1e-4, atol=0)


def test_weights_of_half_precision_are_refused() -> None:
    check_weights(nn.Linear(2, 1).double())
    with pytest.raises(ConfigError, match=r"parameter 'weight' is bfloat16; weights are float32 or float64: call mod"):
        check_weights(nn.Linear(2, 1).bfloat16())


@pytest.mark.usefixtures("unchecked_types")
def test_precision_is_checked() -> None:
    model, cpu = nn.Linear(2, 1), torch.device("cpu")
    with pytest.raises(ConfigError, match="precision='bfloat' is neither 'float32' nor 'bfloat16'; did you mean 'bfl"):
        rounding("bfloat", model, cpu)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"products of float32 weights, and this model's are float64; call model.flo"):
        rounding("bfloat16", model.double(), cpu)
    with (
        torch.autocast("cpu", dtype=torch.bfloat16),
        pytest.raises(ConfigError, match=r"fit is called under torch.autocast; leave that out and give precision='bfl"),
    ):
        rounding("float32", model, cpu)
