"""Every error that a request meets, as a response in the shape of a `Problem`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from motet.errors import MotetError, did_you_mean
from motet.serve.bodies import BODIES, PARTS
from motet.serve.problem import Problem


def answer_problems(app: FastAPI) -> None:
    """Have an application answer everything it refuses in the shape of a `Problem`.

    Args:
        app: The application.
    """

    def http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return Problem(error.status_code, _message(error, request), headers=error.headers).answer()

    def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return _invalid(error, request).answer()

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


def _message(error: HTTPException, request: Request) -> str:
    """What the frameworks refuse, in words that say what to do."""
    if error.status_code == 404:
        return "there is nothing at this path; /docs lists all paths"
    if error.status_code == 405:
        return f"this path does not take {request.method} but {(error.headers or {}).get('Allow')}"
    if error.status_code != 400:
        return str(error.detail)
    encoding = request.headers.get("content-encoding")
    if encoding is not None:
        return f"the body has the Content-Encoding {encoding!r}; send it without compression"
    if isinstance(error.__cause__, UnicodeDecodeError):
        return "the body is not JSON: it is not written in UTF-8"
    return "the body cannot be read: it is nested too deeply, or a number in it has too many digits"


def _invalid(invalid: RequestValidationError, request: Request) -> Problem:
    """The first rule that a request breaks, without the value, which may be anything."""
    error, others = _telling(invalid.errors())
    if error["type"] == "json_invalid":
        return Problem(400, f"the body is not JSON: {error.get('ctx', {}).get('error', 'it cannot be read')}")
    if error["loc"] == ("body",) and error["type"] in ("missing", "model_attributes_type"):
        return Problem(422, _no_object(invalid.body, request))
    where = _place(error, invalid.body)
    field = ".".join(where) or None
    message = error["msg"].removeprefix("Value error, ") + "".join(f" or {other}" for other in others)
    message = message.replace("dictionary or object to extract fields from", "object")
    if error["type"] == "extra_forbidden" and where:
        fields = _part(error, request).model_fields
        message = f"no field {where[-1]!r}{did_you_mean(where[-1], fields)} Fields: {', '.join(fields)}."
    elif error["type"] == "string_pattern_mismatch":
        message = "text must not contain the character U+0000"
    return Problem(422, message if field is None else f"{field}: {message}", field=field)


def _no_object(body: Any, request: Request) -> str:
    """Why a body is no object: it is empty, or of another type, or was not declared to be JSON and so was not read."""
    if body is None or body == b"":
        return "the body is empty; send a JSON object"
    if isinstance(body, bytes):
        told = request.headers.get("content-type")
        came = "without a Content-Type" if told is None else f"with the Content-Type {told!r}"
        return f"the body came {came}; send JSON with the header Content-Type: application/json"
    return "the body is JSON, but not an object; send one, such as those in /docs"


def _part(error: Mapping[str, Any], request: Request) -> type[BaseModel]:
    """The body, or the part of one, that does not have a field."""
    _, *parts = error["loc"]
    return BODIES[request.url.path] if len(parts) == 1 else PARTS[parts[0]]


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
