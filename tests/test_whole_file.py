from __future__ import annotations

from pathlib import Path

import pytest

from motet.whole_file import whole_file


def test_an_existing_file_is_kept_if_writing_fails(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text("all of them")
    with pytest.raises(UnicodeEncodeError), whole_file(file) as unfinished:
        unfinished.write_text("half, and \ud800", encoding="utf-8")
    assert file.read_text() == "all of them"
    assert list(tmp_path.iterdir()) == [file]
