"""The explorer and Swagger UI, read once and served from memory: no path of a request reaches the file system."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Coroutine, Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import APIRouter
from starlette.responses import Response

EXPLORER = files("motet.serve.http") / "explorer"
SWAGGER_PAGE = files("motet.serve.http") / "swagger"
SWAGGER_ASSETS = files("fastapi_swagger") / "resources"
INDEX = "index.html"


def pages() -> APIRouter:
    """Routes of static files, one each: the explorer at `/`, and Swagger UI at `/docs`.

    Returns:
        A router.
    """
    router = APIRouter()
    for path, file in _found():
        kind = mimetypes.guess_type(file.name)[0] or "text/plain"
        router.add_api_route(path, _page(file.read_bytes(), kind), include_in_schema=False)
    return router


def _found() -> Iterator[tuple[str, Traversable]]:
    for file in EXPLORER.iterdir():
        yield "/" if file.name == INDEX else f"/{file.name}", file
    for file in SWAGGER_PAGE.iterdir():
        yield "/docs" if file.name == INDEX else f"/docs/{file.name}", file
    for name in ("swagger-ui-bundle.js", "swagger-ui.css"):
        yield f"/docs/{name}", SWAGGER_ASSETS / name


def _page(content: bytes, kind: str) -> Callable[[], Coroutine[None, None, Response]]:
    async def page() -> Response:
        return Response(content, media_type=kind)

    return page
