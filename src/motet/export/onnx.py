"""ONNX: write programs as files that onnxruntime runs without torch."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.export import ExportedProgram

from motet.errors import ArtifactError, ConfigError

TOLERANCE = 1e-5  # largest difference between program and model: absolute below 1, relative above


def imported(module: str, what: str, extra: str) -> Any:
    """Import a module of an optional package.

    Args:
        module: Name of the module.
        what: What needs it, for the error message.
        extra: The extra that installs it.

    Returns:
        The module.

    Raises:
        ConfigError: If its package is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"{what} needs more packages ({error}); install them: pip install 'motet[{extra}]'"
        ) from error


def to_onnx(program: ExportedProgram, inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
    """Write a program as ONNX.

    Args:
        program: A program made by `programs`.
        inputs: Names of its inputs.
        outputs: Names of its outputs.

    Returns:
        The content of the file. Metadata is removed, because it holds paths on this machine.

    Raises:
        ConfigError: If onnx or onnxscript is not installed.
    """
    for module in ("onnx", "onnxscript"):
        imported(module, "writing ONNX", "onnx")
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")  # deprecations inside torch
            converted = torch.onnx.export(
                program, dynamo=True, input_names=list(inputs), output_names=list(outputs), verbose=False
            )
    finally:
        logger.setLevel(level)
    assert converted is not None
    proto = converted.model_proto
    del proto.metadata_props[:]
    for part in (proto.graph, *proto.functions):
        del part.metadata_props[:]
        for each in (*part.node, *part.value_info):
            del each.metadata_props[:]
    for each in (*proto.graph.input, *proto.graph.output, *proto.graph.initializer):
        del each.metadata_props[:]
    content: bytes = proto.SerializeToString(deterministic=True)
    return content


def run(file: str, content: bytes, feeds: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """Run an ONNX program once, on the CPU.

    Args:
        file: Name of the file, for the error message.
        content: Content of the file.
        feeds: Inputs by name.

    Returns:
        Outputs by name.

    Raises:
        ArtifactError: If it is not a valid program, takes other inputs, or an output holds no numbers.
        ConfigError: If onnxruntime is not installed.
    """
    runtime = imported("onnxruntime", "running ONNX", "onnx")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = runtime.InferenceSession(
            content,
            options,
            providers=["CPUExecutionProvider"],
            enable_fallback=0,  # the fallback prints, then retries with the same provider
        )
        found = session.run(None, dict(feeds))
    except Exception as error:  # onnxruntime's errors have no common base class; a wrong input is a ValueError
        first = str(error).strip().splitlines()[0][:200]
        raise ArtifactError(f"{file!r} does not run: {first}; export again") from error
    outputs = dict(zip((each.name for each in session.get_outputs()), found, strict=True))
    for name, values in outputs.items():  # anybody may have written the program
        if not (isinstance(values, np.ndarray) and values.dtype.kind in "fiub"):
            raise ArtifactError(f"output {name!r} of {file!r} holds no numbers; export again")
    return outputs


def check_equal(file: str, found: Mapping[str, npt.NDArray[Any]], eager: Iterable[tuple[str, Tensor]]) -> None:
    """Compare the outputs of a program with those of the model.

    Args:
        file: Name of the program's file, for the error message.
        found: Outputs of the program by name.
        eager: Outputs of the model by name.

    Raises:
        ArtifactError: If a number differs by more than 1e-5 (relative, if its absolute value is above 1).
    """
    for name, values in eager:
        expected = values.cpu().numpy()
        here = found.get(name)
        if here is None or here.shape != expected.shape:
            shape = "missing" if here is None else f"of shape {list(here.shape)}"
            raise ArtifactError(f"output {name!r} of {file!r} is {shape}, not {list(expected.shape)}; export again")
        difference = float((np.abs(here - expected) / np.maximum(np.abs(expected), 1.0)).max(initial=0.0))
        if not difference <= TOLERANCE:
            raise ArtifactError(
                f"{file!r} differs from the model: {name!r} by {difference:.2g}, more than the allowed {TOLERANCE:g}; "
                "export again, and report a bug if it differs again"
            )
