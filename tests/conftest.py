"""What every test shares."""

from __future__ import annotations

import os
from collections.abc import Iterator

import jaxtyping
import pytest
import torch
from hypothesis import settings

from motet.data.datasets import movielens as load_movielens
from motet.data.log import EventLog
from motet.errors import DownloadError

settings.register_profile("motet", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("motet")

if torch.cuda.is_available():  # the same seed gives the same bits there only where torch adds in a fixed order
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    torch.use_deterministic_algorithms(True)


@pytest.fixture(scope="session")
def movielens() -> EventLog:
    """MovieLens 100K from the cache; fetched on the first run of a machine."""
    try:
        return load_movielens("100k", progress=False)
    except DownloadError as error:
        pytest.skip(str(error))


@pytest.fixture
def bfloat16_products() -> Iterator[None]:
    """Products of float32 are computed in bfloat16, on a processor that can: `torch.set_float32_matmul_precision`."""
    torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    yield
    torch.backends.mkldnn.matmul.fp32_precision = "none"


@pytest.fixture
def unchecked_types() -> Iterator[None]:
    """Types in signatures are not checked, as in production: for tests of what a caller without a type checker sees."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
