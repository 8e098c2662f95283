"""ONNX: programs as files that onnxruntime runs without torch."""

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

TOLERANCE = 1e-5  # of what a graph gives beside the model, relative where numbers are above 1


def imported(module: str, what: str, extra: str) -> Any:
    """Import a module of an optional package.

    Args:
        module: Its name.
        what: What needs it, for the message.
        extra: The extra that brings it.

    Returns:
        The module.

    Raises:
        ConfigError: If its package is not installed; the message says how to get it.
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
        program: Of `programs`.
        inputs: What its inputs are called.
        outputs: What its outputs are called.

    Returns:
        The file, without names of files on this machine.

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
            warnings.simplefilter("ignore")  # of its own parts that it means to give up
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
        file: Of the program, for the message.
        content: What it holds.
        feeds: Inputs by name.

    Returns:
        Outputs by name.

    Raises:
        ArtifactError: If it is no program, or one that takes other inputs.
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
            enable_fallback=0,  # which prints, and tries the same again
        )
        found = session.run(None, dict(feeds))
    except Exception as error:  # the runtime's own errors are of many kinds, a wrong input a ValueError
        first = str(error).strip().splitlines()[0][:200]
        raise ArtifactError(f"{file!r} does not run: {first}; export again") from error
    return dict(zip((each.name for each in session.get_outputs()), found, strict=True))


def check_equal(file: str, found: Mapping[str, npt.NDArray[Any]], eager: Iterable[tuple[str, Tensor]]) -> None:
    """Compare what a program gave with what the model says.

    Args:
        file: Of the program, for the message.
        found: Outputs by name.
        eager: What the model says, by the same names.

    Raises:
        ArtifactError: If a number differs by more than 1e-5, of its size where that is above 1.
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
                f"{file!r} differs from the model: {name!r} by {difference:.2g}, where {TOLERANCE:g} is allowed; "
                "export again, and report it if it stays"
            )
