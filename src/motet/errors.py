"""What motet raises: one family, so that a caller can catch all of it, and a hint for a misspelt name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST = 200  # letters of a name that is looked for among others: the search takes their square


class MotetError(Exception):
    """Anything motet refuses; the message names the thing, the value, the rule and the fix."""


class DataError(MotetError):
    """The caller's data breaks a rule: a column, an id, a number, a label."""


class ConfigError(MotetError):
    """An argument or a declaration breaks a rule before any data is read."""


class TrainingError(MotetError):
    """Training cannot go on: a loss is no longer a number, a checkpoint does not fit."""


class ArtifactError(MotetError):
    """A saved model is damaged, edited, incomplete, or from a newer motet."""


class DownloadError(MotetError):
    """A data set could not be fetched, or what came is not what was published."""


class ServiceError(MotetError):
    """A service refused a request, or did not answer it.

    Args:
        message: What the service said.
        code: For programs: the service's own, such as `not_found`, or `unreachable`, `timeout`, `not_motet`.
        status: Of HTTP; None where there was no answer.
        field: Of the request, where one is to blame.
        retry_after_s: Seconds after which the service wants to be asked again.

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
    """Suggest the closest of the valid names, as a clause to append to an error message.

    Args:
        name: What the caller wrote, of any type: an error message must not fail on a None.
        options: The valid names, or ids.

    Returns:
        `"; did you mean 'movie_id'?"`, or the empty string when nothing is close.

    Example:
        >>> did_you_mean("movie_ids", ["user_id", "movie_id"])
        "; did you mean 'movie_id'?"
    """
    written = str(name)
    if len(written) > LONGEST:
        return ""
    close = difflib.get_close_matches(written, list(map(str, options)), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
