"""The errors of motet, with a common base class, and hints for misspelt names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST = 200  # letters of the longest name to look up: the search takes quadratic time


class MotetError(Exception):
    """Base class; the message names the thing, the value, the rule and the fix."""


class DataError(MotetError):
    """The caller's data is invalid: a column, an id, a number, a label."""


class ConfigError(MotetError):
    """An argument or a declaration is invalid, regardless of the data."""


class TrainingError(MotetError):
    """Training cannot continue: a loss is NaN, a checkpoint does not match."""


class ArtifactError(MotetError):
    """A saved model is damaged, modified, incomplete, or from a newer version of motet."""


class DownloadError(MotetError):
    """A data set could not be downloaded, or differs from what was published."""


class ServiceError(MotetError):
    """A service refused a request, or did not answer it.

    Args:
        message: The message of the service.
        code: Machine-readable code: the service's own, such as `not_found`, or `unreachable`, `timeout`, `not_motet`.
        status: HTTP status; None if there was no response.
        field: The field of the request at fault, if any.
        retry_after_s: Seconds to wait before a retry, if the service says.

    Example:
        >>> error = ServiceError("k: Input should be greater than 0", code="invalid", status=422, field="k")
        >>> error.code, str(error)
        ('invalid', 'k: Input should be greater than 0')
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        status: int | None = None,
        field: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
        self.field = field
        self.retry_after_s = retry_after_s


def did_you_mean(name: object, options: Iterable[object]) -> str:
    """Suggest the closest of the valid names, as the end of a sentence of an error message.

    Args:
        name: What the caller wrote, of any type: building an error message must not fail.
        options: The valid names, or ids.

    Returns:
        `"; did you mean 'movie_id'?"`, or a full stop when nothing is close.

    Example:
        >>> did_you_mean("movie_ids", ["user_id", "movie_id"])
        "; did you mean 'movie_id'?"
    """
    written = str(name)
    if len(written) > LONGEST:
        return "."
    close = difflib.get_close_matches(written, list(map(str, options)), n=1)
    return f"; did you mean {close[0]!r}?" if close else "."
