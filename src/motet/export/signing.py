"""Signing: an ed25519 signature of an artifact's manifest, which covers every file by its checksum."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from motet.artifact.folder import MANIFEST, SIGNATURE, read_signature
from motet.errors import ArtifactError, ConfigError
from motet.export.onnx import imported

ALGORITHM = "ed25519"
PURPOSE = b"motet artifact\0"  # prefix of the signed bytes, so that signatures made for another purpose are invalid


def signer(key: str | Path) -> Callable[[bytes], dict[str, str]]:
    """Read a private key.

    Args:
        key: PEM file without a password; create one with `openssl genpkey -algorithm ed25519 -out key.pem`.

    Returns:
        A function that maps the bytes of a manifest to the content of `manifest.sig`.

    Raises:
        ConfigError: If the file does not hold such a key, or the package `cryptography` is not installed.
    """
    private = _read(key, "private")

    def sign(manifest: bytes) -> dict[str, str]:
        return {"algorithm": ALGORITHM, "signature": private.sign(PURPOSE + manifest).hex()}

    return sign


def check_signature(folder: Path, path: str | Path, key: str | Path) -> None:
    """Check that an artifact was signed with a key.

    Args:
        folder: The folder with its files, already checked against the manifest.
        path: The path given by the caller, for error messages.
        key: PEM file of the public key; create it with `openssl pkey -in key.pem -pubout -out key.pub.pem`.

    Raises:
        ArtifactError: If the artifact is not signed, or signed with another key.
        ConfigError: If the file does not hold such a key, or the package `cryptography` is not installed.
    """
    public = _read(key, "public")
    signature = read_signature(folder, str(path))
    if signature is None:
        raise ArtifactError(
            f"{str(path)!r} is not signed: it has no {SIGNATURE}; sign it during export: motet export --sign KEY"
        )
    try:
        public.verify(bytes.fromhex(signature["signature"]), PURPOSE + (folder / MANIFEST).read_bytes())
    except (
        imported("cryptography.exceptions", "a signature", "sign").InvalidSignature,
        KeyError,
        TypeError,
        ValueError,
    ):
        raise ArtifactError(
            f"{str(path)!r} was not signed with the key of {str(key)!r}; do not use it, or give the right key"
        ) from None


def _read(key: str | Path, kind: str) -> Any:
    """A key of either kind."""
    module = imported("cryptography.hazmat.primitives.serialization", "a signature", "sign")
    ed25519 = imported("cryptography.hazmat.primitives.asymmetric.ed25519", "a signature", "sign")
    try:
        content = Path(key).read_bytes()
        found = module.load_pem_private_key(content, None) if kind == "private" else module.load_pem_public_key(content)
    except OSError as error:
        raise ConfigError(f"cannot read the key {str(key)!r}: {error.strerror}; check the path") from error
    except (ValueError, TypeError) as error:
        raise ConfigError(
            f"{str(key)!r} is not a {kind} key in PEM format without a password; create one with openssl"
        ) from error
    if not isinstance(found, ed25519.Ed25519PrivateKey | ed25519.Ed25519PublicKey):
        raise ConfigError(f"{str(key)!r} is not an ed25519 key; create one: openssl genpkey -algorithm ed25519")
    return found
