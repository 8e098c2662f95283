from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from motet.artifact.sealed import seal
from motet.errors import ArtifactError, ConfigError
from motet.export import export, verify

PEM, PLAIN = serialization.Encoding.PEM, serialization.NoEncryption()
PRIVATE, PUBLIC = serialization.PrivateFormat.PKCS8, serialization.PublicFormat.SubjectPublicKeyInfo


def keys(place: Path, name: str) -> tuple[Path, Path]:
    key = ed25519.Ed25519PrivateKey.generate()
    private, public = place / f"{name}.pem", place / f"{name}.pub.pem"
    private.write_bytes(key.private_bytes(PEM, PRIVATE, PLAIN))
    public.write_bytes(key.public_key().public_bytes(PEM, PUBLIC))
    return private, public


def test_tells_whose_it_is(saved: Path, tmp_path: Path) -> None:
    (private, public), (_, other) = keys(tmp_path, "ours"), keys(tmp_path, "theirs")
    path = tmp_path / "artifact"
    export(saved, path, onnx=False, sign=private)
    assert f"signed with the key of {str(public)!r}" in verify(path, key=public)
    assert "the signature was not checked: no key was given" in verify(path)
    with pytest.raises(
        ArtifactError, match=r"'.*artifact' was not signed with the key of '.*theirs.pub.pem'; do not use"
    ):
        verify(path, key=other)
    export(saved, path, onnx=False)  # a signed one is replaced as any other
    with pytest.raises(
        ArtifactError, match=r"'.*artifact' is not signed: it has no manifest.sig; sign it during export"
    ):
        verify(path, key=public)


@pytest.mark.parametrize("signature", [{"signature": 7}, {"signature": "no hex"}, {"signature": "00"}, {}])
def test_a_signature_that_is_none(saved: Path, tmp_path: Path, signature: dict[str, object]) -> None:
    private, public = keys(tmp_path, "ours")
    export(saved, tmp_path / "artifact", onnx=False, sign=private)
    (tmp_path / "artifact" / "manifest.sig").write_bytes(seal(signature))
    with pytest.raises(ArtifactError, match=r"was not signed with the key of"):
        verify(tmp_path / "artifact", key=public)


def test_a_key_of_the_wrong_kind_is_named(saved: Path, tmp_path: Path) -> None:
    private, public = keys(tmp_path, "ours")
    curve = tmp_path / "curve.pem"
    curve.write_bytes(ec.generate_private_key(ec.SECP256R1()).private_bytes(PEM, PRIVATE, PLAIN))
    for key, words in (
        (tmp_path / "none.pem", "cannot read the key '.*none.pem': No such file or directory; check the path"),
        (public, "'.*ours.pub.pem' is not a private key in PEM format without a password; create one with openssl"),
        (curve, "'.*curve.pem' is not an ed25519 key; create one: openssl genpkey -algorithm ed25519"),
    ):
        with pytest.raises(ConfigError, match=words):
            export(saved, tmp_path / "artifact", onnx=False, sign=key)
    with pytest.raises(ConfigError, match=r"'.*ours.pem' is not a public key in PEM"):
        verify(saved, key=private)


def test_a_missing_extra_is_named(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.serialization", None)
    with pytest.raises(ConfigError, match=re.escape("install them: pip install 'motet[sign]'")):
        verify(saved, key="key.pub.pem")
