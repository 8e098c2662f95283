"""Problem: what a service refuses, always in one shape: `{"error": {"code", "message", "field"}}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from motet.errors import MotetError, did_you_mean
from motet.serve.bodies import BODIES

CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "too_large", 422: "invalid"}
LONGEST = 500  # characters of a message: what a caller sends must not come back at any length


class Problem(Exception):  # noqa: N818  # what is answered, not what went wrong with us
    """A request that is not answered.

    Args:
        status: Of HTTP.
        message: Names the thing, the value, the rule and the fix.
        code: For programs; the usual one of the status where not given.
        field: Of the body or the query.
        headers: Such as `Retry-After`.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        shown = message.encode("utf-8", "backslashreplace").decode()[:LONGEST]
        self.error = {"code": code or CODES.get(status, "refused"), "message": shown, "field": field}

    def answer(self) -> JSONResponse:
        """The problem as a response.

        Returns:
            JSON in the shape of every error.
        """
        return JSONResponse({"error": self.error}, self.status, self.headers)


def answer_problems(app: FastAPI) -> None:
    """Have an application answer everything it refuses in the shape of a `Problem`.

    Args:
        app: The application.
    """

    def http(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return Problem(error.status_code, str(error.detail), headers=error.headers).answer()

    def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return _invalid(error.errors()[0], request.url.path).answer()

    def refused(_request: Request, error: Exception) -> JSONResponse:
        return Problem(422, str(error)).answer()

    def problem(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Problem)
        return error.answer()

    def fault(_request: Request, _error: Exception) -> JSONResponse:
        return Problem(500, "the service failed; its log says where", code="internal").answer()

    app.add_exception_handler(Exception, fault)  # what it was comes through to the guard, which logs it
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(MotetError, refused)
    app.add_exception_handler(Problem, problem)


def _invalid(error: Mapping[str, Any], path: str) -> Problem:
    """The first rule that a request breaks, without the value, which may be anything."""
    where = [str(part) for part in error["loc"][1:]]
    if error["type"] == "json_invalid":
        return Problem(400, f"the body is no JSON: {error.get('ctx', {}).get('error', 'it cannot be read')}")
    field = ".".join(where) or None
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden" and len(where) == 1 and path in BODIES:
        fields = BODIES[path].model_fields
        message = f"no field {where[0]!r}{did_you_mean(where[0], fields)}; fields: {', '.join(fields)}"
    return Problem(422, message if field is None else f"{field}: {message}", field=field)
