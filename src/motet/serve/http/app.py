"""The application: routes, guards and pages around one service."""

from __future__ import annotations

from functools import partial

from fastapi import FastAPI
from starlette.types import ASGIApp

from motet import __version__
from motet.serve.http.errors import answer_problems
from motet.serve.http.guard import Guard
from motet.serve.http.openapi import describe
from motet.serve.http.pages import pages
from motet.serve.http.routes import administering, reading, watching, writing
from motet.serve.service import Service


def create_app(service: Service) -> ASGIApp:
    """An ASGI application, for any server.

    Args:
        service: What it serves.

    Returns:
        The application; uvicorn runs it, and `httpx.ASGITransport` asks it without a socket.
    """
    app = FastAPI(
        title="motet",
        version=__version__,
        description="Recommendations of a joint model: retrieve, filter, rank and fuse in one call.",
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.openapi = partial(describe, app)  # type: ignore[method-assign]
    app.state.service = service
    answer_problems(app)
    for router in (reading, writing, administering, watching, pages()):
        app.include_router(router)
    return Guard(app, metrics=service.metrics, gate=service.gate, tokens=service.tokens)
