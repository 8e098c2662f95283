from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from motet.data.download import cache_dir, fetch
from motet.errors import DownloadError

CONTENT = bytes(range(256)) * 4000
MD5 = hashlib.md5(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """A file server with a character of its own.

    Attributes:
        content: What it sends.
        breaks_after: Bytes after which it hangs up, at each of its first `breaks` answers.
        ranges: Whether it honours Range.
        status: What it answers instead, unless 200.
        asked: The Range header of every request.
    """

    content = CONTENT
    breaks_after = 100_000
    breaks = 0
    ranges = True
    sized = True
    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/data.zip"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, header = self.server, self.headers["Range"]
        server.asked.append(header)
        start = int(header.removeprefix("bytes=").removesuffix("-")) if header and server.ranges else 0
        if server.status != 200 or start >= len(server.content):
            self.send_error(416 if server.status == 200 else server.status)
            return
        body = server.content[start:]
        self.send_response(206 if start else 200)
        if server.sized:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if server.breaks:
            server.breaks -= 1
            body = body[: server.breaks_after]
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "data.zip"


def get(server: Server, to: Path, *, md5: str = MD5) -> bytes:
    assert fetch(server.url, to, md5=md5, progress=False, timeout_s=5) == to
    assert not list(to.parent.glob("*.part"))
    return to.read_bytes()


@pytest.mark.parametrize("sized", [True, False])
def test_downloads_once(server: Server, to: Path, sized: bool) -> None:
    server.sized = sized
    assert get(server, to) == get(server, to) == CONTENT
    assert server.asked == [None]


def test_goes_on_where_it_broke_off(server: Server, to: Path) -> None:
    server.breaks = 7  # more often than the patience without news: every time something new came
    assert get(server, to) == CONTENT
    assert server.asked == [None, *(f"bytes={n * 100_000}-" for n in range(1, 8))]


def test_goes_on_in_a_later_run(server: Server, to: Path) -> None:
    server.breaks, server.breaks_after = 99, 0
    to.parent.mkdir()
    to.with_name("data.zip.part").write_bytes(CONTENT[:5000])
    with pytest.raises(
        DownloadError, match=r"data.zip keeps breaking off, last after 5,000 bytes: 1,019,000 of 1,024,000"
    ):
        get(server, to)
    assert not to.exists()
    server.breaks = 0
    assert get(server, to) == CONTENT
    assert set(server.asked) == {"bytes=5000-"}


def test_starts_again_where_the_server_ignores_ranges(server: Server, to: Path) -> None:
    server.ranges, server.breaks = False, 2
    assert get(server, to) == CONTENT


def test_gives_up_where_nothing_new_comes(server: Server, to: Path) -> None:
    server.ranges, server.breaks = False, 99
    with pytest.raises(DownloadError, match=r"keeps breaking off, last after 100,000 bytes: .*; call again to resume"):
        get(server, to)
    assert len(server.asked) == 4  # the first brought something


def test_a_complete_part_needs_nothing_more(server: Server, to: Path) -> None:
    to.parent.mkdir()
    to.with_name("data.zip.part").write_bytes(CONTENT)
    assert get(server, to) == CONTENT
    assert server.asked == [f"bytes={len(CONTENT)}-"]


@pytest.mark.parametrize("left", [b"something else", bytes(len(CONTENT) + 5)], ids=["shorter", "longer"])
def test_a_wrong_part_is_thrown_away(server: Server, to: Path, left: bytes) -> None:
    to.parent.mkdir()
    to.with_name("data.zip.part").write_bytes(left)
    assert get(server, to) == CONTENT


def test_refuses_other_content(server: Server, to: Path) -> None:
    server.content = CONTENT[::-1]
    found = hashlib.md5(server.content).hexdigest()
    with pytest.raises(
        DownloadError, match=f"sent a file with MD5 {found}, but the published one has {MD5}; try again"
    ):
        get(server, to)
    assert list(to.parent.iterdir()) == []


def test_refusal_of_the_server(server: Server, to: Path) -> None:
    server.status = 404
    with pytest.raises(DownloadError, match=r"data.zip answers 404 Not Found"):
        get(server, to)


def test_nobody_there(to: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DownloadError, match=rf"127.0.0.1:{port}/data.zip cannot be reached: .*refused"):
        fetch(f"http://127.0.0.1:{port}/data.zip", to, md5=MD5, progress=False)


def test_silence_ends(to: Path) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/data.zip"
        with pytest.raises(DownloadError, match=r"timed out"):
            fetch(url, to, md5=MD5, progress=False, timeout_s=0.05)


def test_a_cache_that_cannot_be_made(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadError, match=r"cannot write to the cache .*; set MOTET_CACHE to another folder"):
        get(server, tmp_path / "file" / "data.zip")


def test_progress_goes_to_stderr(
    server: Server, to: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # a bar is for terminals
    fetch(server.url, to, md5=MD5)
    out, err = capsys.readouterr()
    assert out == ""
    assert "data.zip" in err


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"MOTET_CACHE": "/a", "XDG_CACHE_HOME": "/b"}, Path("/a")),
        ({"XDG_CACHE_HOME": "/b"}, Path("/b/motet")),
        ({}, Path("/home/eve/.cache/motet")),
    ],
)
def test_cache_dir(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], folder: Path) -> None:
    monkeypatch.setenv("HOME", "/home/eve")
    for name in ("MOTET_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_dir() == folder
