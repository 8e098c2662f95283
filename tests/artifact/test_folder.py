from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet.artifact import folder
from motet.artifact.folder import Kind, check_free, read_folder, saved_in, write_folder
from motet.artifact.sealed import seal, unseal
from motet.errors import ArtifactError, ConfigError

FILES = [("a.json", b"{}"), ("sub/b.bin", b"12345")]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    write_folder(path, FILES)
    return path


def contents(path: Path) -> dict[str, bytes]:
    where = read_folder(path)
    return {name: (where / name).read_bytes() for name in json.loads((where / "manifest.json").read_bytes())["files"]}


def test_writes_reads_and_replaces(saved: Path) -> None:
    assert contents(saved) == dict(FILES)
    write_folder(saved, [("c", b"new")])
    assert contents(saved) == {"c": b"new"}
    assert [entry.name for entry in saved.parent.iterdir()] == ["model"]


def test_makes_parents_and_fills_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "not" / "there"):
        write_folder(path, FILES)
        assert contents(path) == dict(FILES)


def refuse(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def half() -> Iterator[tuple[str, bytes]]:
    yield "a.json", b"half"
    refuse()


@pytest.mark.parametrize("where", ["files", "_write", "sync_folder", "rename"])
def test_full_disk_leaves_the_old_model_whole(saved: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    if where == "rename":
        rename = Path.rename
        monkeypatch.setattr(
            Path, "rename", lambda self, to: refuse() if self.name.endswith("saving") else rename(self, to)
        )
    elif where != "files":
        monkeypatch.setattr(folder, where, refuse)
    words = r"could not save to '.*model': No space left on device; what was there before is untouched. Free some space"
    with pytest.raises(ArtifactError, match=words):
        write_folder(saved, half() if where == "files" else FILES[:1])
    monkeypatch.undo()
    assert contents(saved) == dict(FILES)
    assert [entry.name for entry in saved.parent.iterdir()] == ["model"]


def test_a_second_save_waits_for_the_first_and_replaces_it(saved: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> Iterator[tuple[str, bytes]]:
        begun.set()
        yield "a", b"first"
        go_on.wait()
        yield "b", b"first"

    first = threading.Thread(target=write_folder, args=(saved, slow()))
    second = threading.Thread(target=write_folder, args=(saved, [("a", b"second"), ("b", b"second")]))
    first.start()
    begun.wait()
    second.start()
    second.join(0.1)
    assert second.is_alive()
    assert contents(saved) == dict(FILES)
    go_on.set()
    first.join()
    second.join()
    assert contents(saved) == {"a": b"second", "b": b"second"}
    assert [entry.name for entry in saved.parent.iterdir()] == ["model"]


def test_saves_at_the_same_time_never_mix_or_lose_a_model(saved: Path) -> None:
    def save(writer: bytes) -> None:
        for _ in range(5):
            write_folder(saved, [("a", writer), ("b", writer)])

    with ThreadPoolExecutor(4) as writers:
        list(writers.map(save, (b"1", b"2", b"3", b"4")))
    found = contents(saved)
    assert found["a"] == found["b"]
    assert [entry.name for entry in saved.parent.iterdir()] == ["model"]


def test_other_failures_leave_nothing_behind(saved: Path) -> None:
    def broken() -> Iterator[tuple[str, bytes]]:
        yield "a.json", b"half"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_folder(saved, broken())
    assert contents(saved) == dict(FILES)
    assert [entry.name for entry in saved.parent.iterdir()] == ["model"]


def test_a_kill_in_the_middle_leaves_the_old_model_whole(saved: Path) -> None:
    program = (
        "import sys, time\n"
        "from motet.artifact.folder import write_folder\n"
        "def files():\n"
        "    yield 'a.json', b'half'\n"
        "    print('writing', flush=True)\n"
        "    time.sleep(60)\n"
        "write_folder(sys.argv[1], files())\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(saved)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"writing\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert contents(saved) == dict(FILES)
    assert {entry.name for entry in saved.parent.iterdir()} == {"model", ".model.saving", ".model.lock"}
    write_folder(saved, [("c", b"new")])  # what the kill left behind is in nobody's way
    assert contents(saved) == {"c": b"new"}
    assert [entry.name for entry in saved.parent.iterdir()] == ["model"]


def test_kills_at_any_moment_leave_the_old_or_the_new_model(saved: Path) -> None:
    program = (
        "import sys, itertools\n"
        "from motet.artifact.folder import write_folder\n"
        "print('ready', flush=True)\n"
        "for n in itertools.count():\n"
        "    write_folder(sys.argv[1], [('a', b'%d' % n), ('b', b'%d' % n)])\n"
    )
    for run in range(6):
        process = subprocess.Popen([sys.executable, "-c", program, str(saved)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.01 + 0.007 * run)
        process.kill()
        process.communicate()
        found = contents(saved)
        assert found == dict(FILES) or found["a"] == found["b"]


def test_every_folder_is_synced_before_the_old_model_goes(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(folder, "sync_folder", lambda each: synced.append(each.name))
    write_folder(saved, FILES)
    assert sorted(synced[:2]) == [".model.saving", "sub"]


def test_a_kill_between_the_two_renamings_is_survived(saved: Path) -> None:
    saved.rename(saved.with_name(".model.previous"))
    assert contents(saved) == dict(FILES)
    write_folder(saved, [("c", b"new")])
    assert contents(saved) == {"c": b"new"}
    assert [entry.name for entry in saved.parent.iterdir()] == ["model"]


def test_damage_is_named(saved: Path) -> None:
    cases = [
        ("sub/b.bin", b"123", "'sub/b.bin' in '.*model' was shortened: it has 3 bytes instead of 5; restore it"),
        ("sub/b.bin", b"123456", "'sub/b.bin' in '.*model' was lengthened: it has 6 bytes instead of 5; restore it"),
        (
            "a.json",
            b"[]",
            r"'a.json' in '.*model' was changed: its sha256 is 4f53cda18c2b... instead of 44136fa355b3...",
        ),
        ("a.json", None, "'a.json' in '.*model' is missing; restore it from a copy, or train and save the model again"),
        ("notes.txt", b"", "'notes.txt' in '.*model' is not part of the saved model; move it out of the folder"),
        ("manifest.json", b'{"format": 1', "'manifest.json' in '.*model' is damaged; restore it"),
        ("manifest.json", b"[]", "'manifest.json' in '.*model' is damaged; restore it"),
        ("manifest.json", seal({"format": 1, "files": {"a.json": 3}}), "'manifest.json' in '.*model' is damaged"),
        ("manifest.json", seal({"format": "one", "files": {}}), "'manifest.json' in '.*model' is damaged"),
        ("manifest.json", b"[" * 100_000, "'manifest.json' in '.*model' is damaged; restore it"),
        ("manifest.sig", b"", "'manifest.sig' in '.*model' is damaged; restore it"),
        ("manifest.json", None, "there is no saved model in '.*model': it has no manifest.json; check the path"),
    ]
    for name, content, words in cases:
        write_folder(saved, FILES)
        file = saved / name
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content)
        with pytest.raises(ArtifactError, match=words):
            read_folder(saved)
        for entry in [*saved.rglob("*.*")]:
            entry.unlink()
        (saved / "sub").rmdir()


def test_a_newer_format_is_named(saved: Path) -> None:
    manifest = {"format": 7, "motet": "9.1.0", "layout": "anything"}
    (saved / "manifest.json").write_bytes(seal(manifest))
    words = (
        "'.*model' was saved by motet 9.1.0 in format 7, and this motet .* reads formats up to 1; upgrade: pip install"
    )
    with pytest.raises(ArtifactError, match=words):
        read_folder(saved)


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "log.parquet").write_text("")
    with pytest.raises(ArtifactError, match=r"no saved model in '.*log.parquet': it is a file, not a folder; check"):
        read_folder(tmp_path / "log.parquet")
    with pytest.raises(ArtifactError, match=r"'x+' cannot be read: File name too long; check the path, and who may"):
        read_folder("x" * 300)
    with pytest.raises(ArtifactError, match=r"there is no saved model in 'nowhere': it has no manifest.json"):
        read_folder("nowhere")


def test_saving_removes_nothing_but_a_model(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.tex").write_text("")
    (saved / "notes.txt").write_text("")
    for name, words in [
        ("file", "'file' is a file; a saved model is a folder: choose another name"),
        ("work", "the folder 'work' holds 'thesis.tex', which a saved model would replace; choose a new folder"),
        (
            "model",
            "the folder 'model' holds 'notes.txt' beside a saved model, and saving would remove it; move it away",
        ),
    ]:
        with pytest.raises(ConfigError, match=re.escape(words)):
            write_folder(tmp_path / name, FILES)
    assert (tmp_path / "work" / "thesis.tex").exists()


MARKS = {
    Kind.MODEL: ["model.json", "report.html"],
    Kind.ARTIFACT: ["card.json", "model.json", "report.html"],
    Kind.REPORT: ["report.html", "figures/losses.png"],
}


@pytest.mark.parametrize("other", Kind)
@pytest.mark.parametrize("kind", Kind)
def test_saving_replaces_nothing_of_another_kind(tmp_path: Path, kind: Kind, other: Kind) -> None:
    files = [(name, b"{}") for name in MARKS[kind]]
    write_folder(tmp_path / "there", files, kind=kind)
    if other is kind:
        write_folder(tmp_path / "there", files[:-1] or files, kind=kind)
        return
    words = re.escape(f"the folder 'there' holds {kind}, which {other} would replace; choose another folder, or remove")
    with pytest.raises(ConfigError, match=words):
        write_folder(tmp_path / "there", [("a", b"")], kind=other)
    (tmp_path / "there").rename(tmp_path / ".there.previous")  # a kill between the renames of a save leaves it so
    with pytest.raises(ConfigError, match=words):
        check_free(tmp_path / "there", other)
    assert set(contents(tmp_path / "there")) == set(MARKS[kind])


@pytest.mark.parametrize("kind", Kind)
def test_nothing_is_written_into_a_saved_folder(tmp_path: Path, kind: Kind) -> None:
    write_folder(tmp_path / "there", [(name, b"{}") for name in MARKS[kind]], kind=kind)
    for name in ("report", "a/b"):
        path = tmp_path / "there" / name
        words = f"cannot write '{path}': 'there' holds {kind}, which another file would damage; choose a place outside"
        with pytest.raises(ConfigError, match=words):
            check_free(path)
    (tmp_path / "manifest.json").write_text("{}")  # of something else, such as an extension of a browser
    check_free(tmp_path / "model")


def test_a_report_is_no_saved_model(tmp_path: Path) -> None:
    for kind, names in MARKS.items():
        write_folder(tmp_path / kind.name, [(name, b"{}") for name in names], kind=kind)
    assert [path.name for path in saved_in(tmp_path)] == ["ARTIFACT", "MODEL"]


def test_a_path_that_cannot_be_written_is_refused_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    for path, words in [
        (tmp_path / "file" / "a" / "model", r"cannot save to '.*model': '.*file' is a file; choose another folder"),
        (tmp_path / ("x" * 300), r"cannot save to '.*x': File name too long; choose another folder"),
        (Path("/"), r"cannot save to '/', which holds everything else; name a folder in it"),
    ]:
        with pytest.raises(ConfigError, match=words):
            check_free(path)
    monkeypatch.setattr(os, "access", lambda *_: False)  # as on a disk that is mounted for reading only
    with pytest.raises(ConfigError, match=r"cannot save to '.*model': '.*' cannot be written; choose another folder"):
        check_free(tmp_path / "new" / "model")


def test_what_cannot_be_read_is_not_replaced(saved: Path) -> None:
    (saved / "manifest.json").write_text("{")
    words = r"cannot replace what is there: 'manifest.json' in 'model' is damaged; .* Or remove the folder, or choose"
    with pytest.raises(ConfigError, match=words):
        write_folder(saved, FILES)


def test_a_link_is_no_part_of_a_model(saved: Path) -> None:
    (saved / "more").symlink_to(saved.parent)
    with pytest.raises(ArtifactError, match=r"'more' in '.*model' is not part of the saved model"):
        read_folder(saved)


def test_what_is_no_plain_file_is_not_opened(saved: Path) -> None:
    for name in ("a.json", "manifest.json", "manifest.sig"):
        file = saved / name
        content = file.read_bytes() if file.exists() else b""
        (saved.parent / "elsewhere").write_bytes(content)
        file.unlink(missing_ok=True)
        file.symlink_to(saved.parent / "elsewhere")
        with pytest.raises(
            ArtifactError, match=f"'{name}' in '.*model' is not a plain file; put the file itself there"
        ):
            read_folder(saved)
        file.unlink()
        os.mkfifo(file)  # opening it would wait for ever
        with pytest.raises(ArtifactError, match=f"'{name}' in '.*model' is not a plain file"):
            read_folder(saved)
        file.unlink()
        if content:
            file.write_bytes(content)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "1"},
        {"format": True},
        {"format": float("nan")},
        {"format": 0},
        {"files": []},
        {"files": {"a.json": 3}},
        {"files": {"a.json": {"bytes": "2", "sha256": ""}}},
    ],
    ids=str,
)
def test_a_manifest_of_another_form_is_damaged(saved: Path, changes: dict[str, object]) -> None:
    manifest = unseal((saved / "manifest.json").read_bytes())
    (saved / "manifest.json").write_bytes(seal(manifest | changes))
    with pytest.raises(ArtifactError, match=r"'manifest.json' in '.*model' is damaged"):
        read_folder(saved)


@pytest.mark.parametrize("name", ["../elsewhere", "/etc/passwd", "", ".", "sub/../a.json", "./a.json", "a\0b"])
def test_no_file_outside_is_read(saved: Path, name: str) -> None:
    (saved.parent / "elsewhere").write_bytes((saved / "a.json").read_bytes())
    manifest = unseal((saved / "manifest.json").read_bytes())
    manifest["files"] = {name: manifest["files"].pop("a.json"), **manifest["files"]}
    (saved / "manifest.json").write_bytes(seal(manifest))
    with pytest.raises(ArtifactError, match=r"is missing; restore it|is not part of the saved model"):
        read_folder(saved)


@given(st.data())
def test_one_flipped_bit_is_refused_by_name(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "model"
        write_folder(path, FILES, sign=lambda manifest: {"digest": str(len(manifest))})
        name = data.draw(st.sampled_from(["a.json", "sub/b.bin", "manifest.json", "manifest.sig"]))
        content = bytearray((path / name).read_bytes())
        bit = data.draw(st.integers(0, 8 * len(content) - 1))
        content[bit // 8] ^= 1 << bit % 8
        (path / name).write_bytes(content)
        with pytest.raises(ArtifactError, match=re.escape(repr(name))):
            read_folder(path)


@given(st.binary(max_size=60))
def test_only_what_was_sealed_is_unsealed(content: bytes) -> None:
    assert unseal(seal({"of": content.hex()})) == {"of": content.hex()}
    with pytest.raises(ValueError, match=r".+"):
        unseal(content)
