from __future__ import annotations

import numpy as np
import pytest
import torch

from motet.errors import ArtifactError
from motet.export.onnx import check_equal, run


def test_what_is_no_program_is_named_and_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    for content in (b"", b"no program", b"\xff" * 40):
        with pytest.raises(ArtifactError, match=r"^'user.onnx' does not run: .*; export again$"):
            run("user.onnx", content, {})
    assert capfd.readouterr() == ("", "")


def test_differences_are_named() -> None:
    eager = {"vector": torch.tensor([1.0, 2000.0])}
    check_equal("user.onnx", {"vector": np.array([1.000001, 2000.01], dtype=np.float32)}, eager.items())
    for found, words in (
        (
            {"vector": np.array([1.1, 2000.0])},
            "'user.onnx' differs from the model: 'vector' by 0.1, more than the allowed 1e-05",
        ),
        ({"vector": np.array([np.nan, 2000.0])}, "'user.onnx' differs from the model: 'vector' by nan"),
        ({"vector": np.array([1.0])}, r"output 'vector' of 'user.onnx' is of shape \[1\], not \[2\]; export again"),
        ({}, r"output 'vector' of 'user.onnx' is missing, not \[2\]; export again"),
    ):
        with pytest.raises(ArtifactError, match=words):
            check_equal("user.onnx", found, eager.items())
