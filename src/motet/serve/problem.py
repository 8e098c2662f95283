"""Problem: a refused request, always answered in the form `{"error": {"code", "message", "field"}}`."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import JSONResponse

CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "too_large", 422: "invalid"}
LONGEST = 500  # characters of a message, which may quote what the client sent


class Problem(Exception):  # noqa: N818  # an answer, not a fault of ours
    """The reason why a request is refused.

    Args:
        status: HTTP status.
        message: Names the thing, the value, the rule and the fix.
        code: For programs; if not given, the usual one for the status.
        field: The field of the body or the query that is to blame.
        headers: Headers of the response, such as `Retry-After`.
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
