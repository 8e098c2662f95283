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


def test_a_link_stays_one_and_permissions_stay(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("old")
    file.chmod(0o660)
    link.symlink_to(file)
    with whole_file(link) as unfinished:
        unfinished.write_text("new")
    assert link.is_symlink()
    assert file.read_text() == "new"
    assert file.stat().st_mode & 0o777 == 0o660
    assert {each.name for each in tmp_path.iterdir()} == {"file", "link"}
