"""Sealed documents: JSON that carries its own checksum, so that not one bit of it changes unnoticed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from motet.errors import ArtifactError

SEAL = "sha256"


def seal(document: Mapping[str, Any]) -> bytes:
    """Write a document and the checksum of what it says.

    Args:
        document: What JSON can hold, without a key `sha256`.

    Returns:
        JSON; equal documents give equal bytes.

    Example:
        >>> unseal(seal({"format": 1}))
        {'format': 1}
    """
    digest = hashlib.sha256(json.dumps(document).encode()).hexdigest()
    return json.dumps({**document, SEAL: digest}, indent=2).encode()


def read_document(folder: Path, name: str, path: str) -> dict[str, Any]:
    """Read a document of a folder, whoever wrote it.

    Args:
        folder: Where the files lie.
        name: Of the document.
        path: What the caller calls the folder.

    Returns:
        The document.

    Raises:
        ArtifactError: If it is no JSON object, or nested too deeply.
    """
    try:
        document = json.loads((folder / name).read_bytes())
        if isinstance(document, dict):
            return document
        reason = f"it holds a {type(document).__name__} and no object"
    except (ValueError, RecursionError) as error:
        reason = f"it is no JSON: {str(error)[:200]}"
    raise ArtifactError(f"{name!r} in {path!r} was not written by motet: {reason}; ask for it again")


def unseal(content: bytes) -> dict[str, Any]:
    """Read what `seal` wrote.

    Args:
        content: The bytes of the file.

    Returns:
        The document.

    Raises:
        ValueError: If these are not, bit for bit, the bytes that `seal` wrote; space between words counts.
    """
    try:
        document = json.loads(content)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(document, dict) or document.pop(SEAL, None) is None or seal(document) != content:
        raise ValueError("not as it was sealed")
    return document
