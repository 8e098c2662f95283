"""Sealed documents: JSON that carries its own checksum, so that a single flipped bit is noticed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from motet.errors import ArtifactError

SEAL = "sha256"


def seal(document: Mapping[str, Any]) -> bytes:
    """Write a document and its checksum.

    Args:
        document: A document for JSON, without a key `sha256`.

    Returns:
        JSON; equal documents give equal bytes.

    Example:
        >>> unseal(seal({"format": 1}))
        {'format': 1}
    """
    digest = hashlib.sha256(json.dumps(document).encode()).hexdigest()
    return json.dumps({**document, SEAL: digest}, indent=2).encode()


def read_document(folder: Path, name: str, path: str) -> dict[str, Any]:
    """Read a JSON document from a folder that anybody may have written.

    Args:
        folder: The folder that holds the file.
        name: Name of the file.
        path: The caller's path of the folder, for messages.

    Returns:
        The document.

    Raises:
        ArtifactError: If it is not a JSON object, or nested too deeply.
    """
    try:
        document = json.loads((folder / name).read_bytes())
        if isinstance(document, dict):
            return document
        reason = f"it holds a {type(document).__name__} and not an object"
    except (ValueError, RecursionError) as error:
        reason = f"it is not JSON: {str(error)[:200]}"
    raise ArtifactError(f"{name!r} in {path!r} was not written by motet: {reason}; ask for it again")


def unseal(content: bytes) -> dict[str, Any]:
    """Read a document written by `seal`.

    Args:
        content: The bytes of the file.

    Returns:
        The document.

    Raises:
        ValueError: If the bytes differ in any way from those that `seal` wrote, whitespace included.
    """
    try:
        document = json.loads(content)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(document, dict) or document.pop(SEAL, None) is None or seal(document) != content:
        raise ValueError("not as it was sealed")
    return document
