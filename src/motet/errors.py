"""The errors of motet, with a common base class, and hints for misspelt names."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Iterator
from types import NoneType, UnionType
from typing import get_args

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


def check_types(kind: type | UnionType, fix: str = "", /, **arguments: object) -> None:
    """Refuse arguments of a wrong type, such as the name or the class of a part in place of the part.

    Args:
        kind: The type, or a union of types; with None if the argument may be left out.
        fix: What to pass instead; by default, what makes an object of the type, or of the classes of motet derived
            from it.
        **arguments: Values by the names of the arguments.

    Raises:
        ConfigError: If a value has another type.

    Example:
        >>> from motet.tasks import Catalogue, Pool
        >>> check_types(Pool, pool=Catalogue())
        >>> check_types(Pool, pool="catalogue")
        Traceback (most recent call last):
        motet.errors.ConfigError: pool='catalogue' must be of type Pool; write pool=Catalogue()
    """
    for name, value in arguments.items():
        if not isinstance(value, kind):
            kinds = [each for each in get_args(kind) or (kind,) if each is not NoneType]
            raise ConfigError(_wrong_type(name, value, kinds, fix))


def _wrong_type(name: str, value: object, kinds: list[type], fix: str) -> str:
    if isinstance(value, type) and issubclass(value, tuple(kinds)) and not inspect.isabstract(value):
        return f"{name} is the class {value.__name__}; write {name}={_call(value)}"
    made = {each.__name__: _call(each) for kind in kinds for each in _concrete(kind)}
    types = " or ".join(kind.__name__ for kind in kinds)
    return f"{name}={_shown(value)} must be of type {types}; {fix or _one_of(made, name, value)}"


def _one_of(made: dict[str, str], name: str, value: object) -> str:
    """The object whose class a text names, or else all of them."""
    small = {each.lower(): each for each in made}
    close = difflib.get_close_matches(value[:LONGEST].lower(), small, n=1) if isinstance(value, str) else []
    if close:
        return f"write {name}={made[small[close[0]]]}"
    return f"pass {'one of ' if len(made) > 1 else ''}{', '.join(sorted(made.values()))}"


def _shown(value: object) -> str:
    """A value in a few words: a model or a table would fill pages."""
    if isinstance(value, type):
        return value.__name__
    return repr(value)[:LONGEST] if isinstance(value, str | int | float | None) else f"{type(value).__name__}(...)"


def _call(kind: type) -> str:
    """What makes an object of a class."""
    if hasattr(kind, "read"):
        return f"{kind.__name__}.read(...)"
    _, *arguments = inspect.signature(kind.__init__).parameters.values()  # type: ignore[misc]  # the class's own
    starred = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)  # of classes without a constructor
    needed = [each for each in arguments if each.default is each.empty and each.kind not in starred]
    return f"{kind.__name__}({'...' if needed else ''})"


def _concrete(kind: type) -> Iterator[type]:
    """The class and those of motet derived from it, without abstract ones."""
    derived: list[type] = kind.__subclasses__()
    if not inspect.isabstract(kind):
        yield kind
    for each in derived:
        if each.__module__.startswith("motet."):
            yield from _concrete(each)
