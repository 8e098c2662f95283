"""Problem: what a service refuses, always in one shape: `{"error": {"code", "message", "field"}}`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        if isinstance(error.__cause__, UnicodeDecodeError):
            return Problem(400, "the body is no JSON: it is not written in UTF-8").answer()
        return Problem(error.status_code, str(error.detail), headers=error.headers).answer()

    def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return _invalid(error, request.url.path).answer()

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


def _invalid(invalid: RequestValidationError, path: str) -> Problem:
    """The first rule that a request breaks, without the value, which may be anything."""
    error, others = _telling(invalid.errors())
    if error["type"] == "json_invalid":
        return Problem(400, f"the body is no JSON: {error.get('ctx', {}).get('error', 'it cannot be read')}")
    where = _place(error, invalid.body)
    field = ".".join(where) or None
    message = error["msg"].removeprefix("Value error, ") + "".join(f" or {other}" for other in others)
    if error["type"] == "extra_forbidden" and len(where) == 1 and path in BODIES:
        fields = BODIES[path].model_fields
        message = f"no field {where[0]!r}{did_you_mean(where[0], fields)}; fields: {', '.join(fields)}"
    return Problem(422, message if field is None else f"{field}: {message}", field=field)


def _telling(errors: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], list[str]]:
    """Where a value may be of several types: the rule of its own type, or else all types that it might have."""
    first, wrong = errors[0], "Input should be "
    alike = [error for error in errors if error["loc"][:2] == first["loc"][:2]]
    rules = [error for error in alike if not error["type"].endswith("_type")]
    if rules or not first["type"].endswith("_type"):
        return (rules or alike)[0], []
    types = dict.fromkeys(error["msg"].removeprefix(wrong) for error in alike if len(error["loc"]) == len(first["loc"]))
    return first, list(types)[1:]


def _place(error: Mapping[str, Any], body: Any) -> list[str]:
    """Where in a request an error lies, without the names of types that stand between."""
    source, *parts = error["loc"]
    if source != "body" or error["type"] == "missing":
        return [str(part) for part in parts]
    place = []
    for part in parts:
        if part in body if isinstance(body, dict) else isinstance(body, list) and part in range(len(body)):
            place.append(str(part))
            body = body[part]
    return place
