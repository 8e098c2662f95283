"""Checkpoints: one file with a training state, nested tensors and plain values, written atomically."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from motet.errors import ArtifactError, ConfigError
from motet.whole_file import whole_file

_TENSOR = "$tensor"


def check_checkpoint(path: str | Path) -> None:
    """Refuse a path where a checkpoint would replace something else, before the training.

    Args:
        path: A file that does not exist, or a checkpoint.

    Raises:
        ConfigError: If there is a folder, or a file of another kind.
    """
    path = Path(path)
    if path.is_dir():
        raise ConfigError(f"checkpoint={str(path)!r} is a folder; name a file, such as 'run.safetensors' in it")
    if not path.exists():
        return
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            known = "state" in (file.metadata() or {})
    except (safetensors.SafetensorError, OSError):
        known = False
    if not known:
        raise ConfigError(
            f"checkpoint={str(path)!r} holds no checkpoint, and one would replace it; name another file, or remove this"
        )


def save_checkpoint(path: str | Path, state: dict[str, Any]) -> None:
    """Write a state; a full disk or a kill leaves the earlier file as it was.

    Args:
        path: The file; its folder is made if necessary.
        state: Nested dictionaries and lists of tensors, numbers, strings, booleans and None.

    Raises:
        ArtifactError: If the disk is full or refuses to be written.
    """
    path = Path(path)
    tensors: dict[str, Tensor] = {}
    document = json.dumps(_take_tensors(state, tensors))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as unfinished:
            safetensors.torch.save_file(tensors, unfinished, metadata={"state": document})
    except (OSError, safetensors.SafetensorError) as error:
        raise ArtifactError(
            f"could not write the checkpoint {path}: {error}; the one before is untouched. Free some space, or give "
            "another file"
        ) from error


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a state back, bit for bit; no code in the file is run.

    Args:
        path: The file.

    Returns:
        The state that was saved, with strings as the keys of dictionaries.

    Raises:
        ArtifactError: If the file is damaged or not a checkpoint.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            state: dict[str, Any] = _put_tensors(json.loads((file.metadata() or {})["state"]), file)
            return state
    except (safetensors.SafetensorError, json.JSONDecodeError, KeyError) as error:
        raise ArtifactError(
            f"{path} is damaged or not a checkpoint ({error}); delete it to train from the start, or give another file"
        ) from error


def _take_tensors(value: Any, tensors: dict[str, Tensor]) -> Any:
    """The value with every tensor moved to `tensors` and its key left in place."""
    if isinstance(value, Tensor):
        key = str(len(tensors))
        tensors[key] = value.detach().contiguous().clone()  # safetensors refuses memory that is shared
        return {_TENSOR: key}
    if isinstance(value, dict):
        return {str(key): _take_tensors(item, tensors) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_take_tensors(item, tensors) for item in value]
    return value


def _put_tensors(value: Any, file: Any) -> Any:
    if isinstance(value, dict):
        if _TENSOR in value:
            return file.get_tensor(value[_TENSOR])
        return {key: _put_tensors(item, file) for key, item in value.items()}
    if isinstance(value, list):
        return [_put_tensors(item, file) for item in value]
    return value
