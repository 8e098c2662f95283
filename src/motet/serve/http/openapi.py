"""OpenAPI: descriptions of error responses and of text responses."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from motet.client.answers import Refusal

REFUSED: dict[int, tuple[str, str, str, str | None]] = {
    400: ("Not JSON", "bad_request", "the body is not JSON: Expecting value", None),
    401: ("No token", "no_token", "a token is needed: send the header 'Authorization: Bearer TOKEN'", None),
    403: ("A token without the scope", "wrong_scope", "the token does not have the scope 'write'", None),
    404: ("Not known", "not_found", "film 'Alienn' is not among the 4 the model knows", "items"),
    409: ("Another change came first", "conflict", "another request changed what is served at the same time", None),
    413: ("Too large", "too_large", "the body has more than 1,048,576 bytes; send less at a time", None),
    422: ("Breaks a rule", "invalid", "k: Input should be less than or equal to 1000", "k"),
    503: ("Busy, or without its database", "busy", "66 requests are being served or wait; try again", None),
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the error responses of a route.

    Args:
        *statuses: HTTP status codes.

    Returns:
        The `responses` of a FastAPI route.
    """
    found: dict[int | str, dict[str, Any]] = {}
    for status in statuses:
        words, code, message, field = REFUSED[status]
        example = {"error": {"code": code, "message": message, "field": field}}
        found[status] = {
            "description": words,
            "model": Refusal,
            "content": {"application/json": {"example": example}},
        }
    return found


def describe(app: FastAPI) -> dict[str, Any]:
    """Make the OpenAPI document, and restore the nulls that FastAPI drops from examples, so that they are valid.

    Args:
        app: The application.

    Returns:
        The document.
    """
    document = FastAPI.openapi(app)
    for methods in document["paths"].values():
        for described in methods.values():
            for response in described["responses"].values():
                for content in response.get("content", {}).values():
                    content.get("example", {}).get("error", {}).setdefault("field", None)
    return document


def text(kind: str) -> dict[int | str, dict[str, Any]]:
    """Describe the text response of a route.

    Args:
        kind: Media type of the text.

    Returns:
        The `responses` of a FastAPI route.
    """
    return {200: {"description": "Text", "content": {kind: {"schema": {"type": "string"}}}}}
