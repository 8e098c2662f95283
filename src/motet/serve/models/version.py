"""version_of: what distinguishes one saved model from every other."""

from __future__ import annotations

import hashlib
from pathlib import Path

from motet.artifact.folder import MANIFEST
from motet.errors import ArtifactError


def version_of(path: Path) -> str:
    """What distinguishes a saved model from every other: the checksum of its manifest, which holds those of all files.

    Args:
        path: Of the folder.

    Returns:
        Twelve characters.

    Raises:
        ArtifactError: If there is no manifest.
    """
    try:
        return hashlib.sha256((path / MANIFEST).read_bytes()).hexdigest()[:12]
    except OSError:
        raise ArtifactError(f"there is no saved model in {str(path)!r}; check the path") from None
