"""Sealed documents: JSON that carries its own checksum, so that not one bit of it changes unnoticed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

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
