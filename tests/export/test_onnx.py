from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
import torch

from motet.errors import ArtifactError
from motet.export.onnx import check_equal, run


def test_what_is_no_program_is_named_and_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    for content in (b"", b"no program", b"\xff" * 40):
        with pytest.raises(ArtifactError, match=r"^'user.onnx' does not run: .*; export again$"):
            run("user.onnx", content, {})
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("operator", "constant"),
    [("Identity", {"value_string": b"x"}), ("SequenceConstruct", {"value_float": 1.0})],
    ids=["text", "a list of arrays"],
)
def test_outputs_that_hold_no_numbers_are_named(operator: str, constant: dict[str, Any]) -> None:
    value = onnx.helper.make_node("Constant", [], ["value"], **constant)
    made = onnx.helper.make_node(operator, ["value"], ["vector"])
    about = onnx.helper.make_tensor_type_proto(onnx.TensorProto.STRING, [])
    if operator != "Identity":
        about = onnx.helper.make_sequence_type_proto(onnx.helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, []))
    graph = onnx.helper.make_graph([value, made], "made", [], [onnx.helper.make_value_info("vector", about)])
    program = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    with pytest.raises(ArtifactError, match=r"output 'vector' of 'user.onnx' holds no numbers; export again"):
        run("user.onnx", program.SerializeToString(), {})


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
