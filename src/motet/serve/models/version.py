"""version_of: an identifier that changes whenever a saved model does."""

from __future__ import annotations

import hashlib
from pathlib import Path

from motet.artifact.folder import MANIFEST, located
from motet.errors import ArtifactError


def version_of(path: Path) -> str:
    """The version of a saved model: a checksum of its manifest, which contains the checksums of all its files.

    Args:
        path: The folder of the model.

    Returns:
        Twelve characters.

    Raises:
        ArtifactError: If there is no manifest.
    """
    try:
        return hashlib.sha256((located(path) / MANIFEST).read_bytes()).hexdigest()[:12]
    except OSError:
        raise ArtifactError(f"there is no saved model in {str(path)!r}; check the path") from None
