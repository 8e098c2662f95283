"""Every error that a request meets, as a response in the shape of a `Problem`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from motet.errors import MotetError, did_you_mean
from motet.serve.bodies import BODIES
from motet.serve.problem import Problem


def answer_problems(app: FastAPI) -> None:
    """Have an application answer everything it refuses in the shape of a `Problem`.

    Args:
        app: The application.
    """

    def http(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        if isinstance(error.__cause__, UnicodeDecodeError):
            return Problem(400, "the body is not JSON: it is not written in UTF-8").answer()
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
        return Problem(400, f"the body is not JSON: {error.get('ctx', {}).get('error', 'it cannot be read')}")
    where = _place(error, invalid.body)
    field = ".".join(where) or None
    message = error["msg"].removeprefix("Value error, ") + "".join(f" or {other}" for other in others)
    if error["type"] == "extra_forbidden" and len(where) == 1 and path in BODIES:
        fields = BODIES[path].model_fields
        message = f"no field {where[0]!r}{did_you_mean(where[0], fields)} Fields: {', '.join(fields)}."
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
