"""The explorer's files, read once and served from memory: no path of a request reaches the file system."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Coroutine
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import Response

FOLDER = Path(__file__).parent / "explorer"


def pages(folder: Path = FOLDER) -> APIRouter:
    """Routes of static files, one each: `/` is `index.html`.

    Args:
        folder: Of the files.

    Returns:
        A router.
    """
    router = APIRouter()
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            name = file.relative_to(folder).as_posix()
            kind = mimetypes.guess_type(file.name)[0] or "text/plain"
            path = "/" if name == "index.html" else f"/{name}"
            router.add_api_route(path, _page(file.read_bytes(), kind), include_in_schema=False)
    return router


def _page(content: bytes, kind: str) -> Callable[[], Coroutine[None, None, Response]]:
    async def page() -> Response:
        return Response(content, media_type=kind)

    return page
