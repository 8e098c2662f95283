"""Space: the settings of a project to try, each a list of values or a range."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from motet.errors import ConfigError
from motet.project import Project
from motet.project.tables import parsed

NUMBER = r"[-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?"
RANGE = re.compile(rf"^\s*({NUMBER})\.\.({NUMBER})(:log)?(?::(\d+))?\s*$")
STEPS = 5  # default number of values that a grid takes from a range
EVERY = "*"  # in place of the name of a table: all tables at that place
ROWS = "the trials would be measured on different rows; set it for all of them in the file, or with --set"
FIXED = {  # settings whose trials could not be compared
    "data": ROWS,
    "split": ROWS,
    "validation": ROWS,
    "recommend": "no validation metric depends on it; set it in the file, without a sweep",
}

Settings = dict[str, Any]


@dataclass(frozen=True)
class Choice:
    """Values to choose from.

    Attributes:
        values: The values; a grid tries all.
    """

    values: tuple[Any, ...]

    def grid(self) -> tuple[Any, ...]:
        """All values."""
        return self.values

    def edges(self) -> tuple[Any, ...]:
        """The values to check against the project: all."""
        return self.values

    def nearest(self, value: Any) -> Any:
        """The value closest to another.

        Args:
            value: Value in the project.

        Returns:
            The value itself if it is among the values, otherwise the closest number; None if there is none.
        """
        if value in self.values or not isinstance(value, int | float):
            return value if value in self.values else None
        numbers = [each for each in self.values if isinstance(each, int | float)]
        return min(numbers, key=lambda each: abs(each - value), default=None)


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; integers if both are integers.

    Attributes:
        low: Smallest number.
        high: Largest number.
        log: Whether to space or draw them evenly on a logarithmic scale.
        steps: Number of values that a grid tries.
    """

    low: float
    high: float
    log: bool = False
    steps: int = STEPS

    @property
    def whole(self) -> bool:
        """Whether the numbers are integers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def grid(self) -> tuple[Any, ...]:
        """Evenly spaced values, including both ends."""
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        even = [low + (high - low) * step / max(self.steps - 1, 1) for step in range(self.steps)]
        values = [math.exp(each) for each in even] if self.log else even
        values[0], values[-1] = self.low, self.high
        return tuple(dict.fromkeys(round(each) if self.whole else float(f"{each:.6g}") for each in values))

    def edges(self) -> tuple[Any, ...]:
        """Both ends, to check against the project."""
        return (self.low, self.high)

    def nearest(self, value: Any) -> Any:
        """The number closest to a value.

        Args:
            value: Value in the project, or any other.

        Returns:
            The number clipped to the range, and rounded if the range is one of integers; None if the value is not a
            number.
        """
        if not isinstance(value, int | float):
            return None
        near = min(max(value, self.low), self.high)
        return round(near) if self.whole else near


Dimension = Choice | Range


def space(project: Project, over: Mapping[str, str | Sequence[Any]]) -> dict[str, Dimension]:
    """Parse the settings to try, and check them against the project.

    Args:
        project: The project.
        over: By `table.key`, as in `--set`: a list of values, or text such as `"5,10,20"` or the range `"16..128:log"`.
            `:log` spaces values logarithmically, and `:4` takes four values in a grid. `towers.*.dim` sets both towers
            at once, `tasks.*.temperature` all tasks.

    Returns:
        Dimensions by key, in the order given.

    Raises:
        ConfigError: If a range or list is empty, the project has no such setting or does not accept the value, or
            trials that differ in it could not be compared.
    """
    for key in over:
        table = key.partition(".")[0]
        if table in FIXED and not key.startswith("recommend.context"):  # a column that heads read
            raise ConfigError(f"over {key}: {FIXED[table]}")
    found = {key: _dimension(key, written) for key, written in over.items()}
    first = {key: dimension.edges()[0] for key, dimension in found.items()}
    for key, dimension in found.items():
        for value in dimension.edges():
            project.changed(spread(project, {**first, key: value}))  # raises if it is invalid
    return found


def spread(project: Project, settings: Mapping[str, Any]) -> Settings:
    """Expand settings with a star in their key to one setting for each table.

    Args:
        project: The project with the tables.
        settings: By `table.key`.

    Returns:
        The settings without stars.

    Raises:
        ConfigError: If a star matches no table.
    """
    return {one: value for key, value in settings.items() for one in _keys(project, key)}


def grid(dimensions: Mapping[str, Dimension]) -> Iterator[Settings]:
    """Every combination.

    Args:
        dimensions: By key.

    Yields:
        Settings; the last dimension changes fastest.
    """
    for values in itertools.product(*(each.grid() for each in dimensions.values())):
        yield dict(zip(dimensions, values, strict=True))


def shares(names: Sequence[str], points: int) -> list[tuple[float, ...]]:
    """Evenly spaced weightings of several tasks: a lattice on the simplex.

    Args:
        names: Names of the tasks.
        points: Number of points on an edge of the simplex, from one task alone to another alone, both included.

    Returns:
        Weights in the order of the names; each weighting sums to 1. For two tasks there are `points` weightings.

    Raises:
        ConfigError: If there are fewer than two points or tasks.

    Example:
        >>> shares(["rating", "retrieval"], 3)
        [(0.0, 1.0), (0.5, 0.5), (1.0, 0.0)]
    """
    if points < 2 or len(names) < 2:
        raise ConfigError(
            f"weights={points} for {len(names)} tasks ({', '.join(names)}): a grid of weights needs at least 2 points "
            "and 2 tasks; name settings to try with over"
        )
    ways = itertools.product(range(points), repeat=len(names))
    return [tuple(each / (points - 1) for each in way) for way in ways if sum(way) == points - 1]


def _dimension(key: str, written: str | Sequence[Any]) -> Dimension:
    if isinstance(written, str):
        if match := RANGE.match(written):
            low, high, log, steps = match.groups()
            return _range(key, parsed(low), parsed(high), log is not None, STEPS if steps is None else int(steps))
        if ".." in written:
            raise ConfigError(
                f"over {key}={written!r} is not a range; write LOW..HIGH, LOW..HIGH:log or LOW..HIGH:log:5"
            )
        values = parsed(f"[{written}]") if written.strip() else []
        written = values if isinstance(values, list) else [parsed(each) for each in written.split(",")]
    if not written:
        raise ConfigError(f"over {key} has no values to try; write {key}=5,10 or {key}=1..10")
    return Choice(tuple(list(each) if isinstance(each, tuple) else each for each in written))  # as TOML has them


def _range(key: str, low: float, high: float, log: bool, steps: int) -> Range:
    if not low < high or steps < 2 or (log and low <= 0):
        rule = "a logarithmic range starts above 0" if log and low <= 0 else "a range goes up, in at least 2 steps"
        raise ConfigError(f"over {key}={low}..{high}{':log' if log else ''}:{steps} has no values to try; {rule}")
    return Range(low, high, log, steps)


def _keys(project: Project, key: str) -> list[str]:
    before, star, after = key.partition(f".{EVERY}.")
    if not star:
        return [key]
    tables: Any = project.document.model_dump(by_alias=True)
    for name in before.split("."):
        tables = tables.get(name) if isinstance(tables, dict) else None
    names = range(1, len(tables) + 1) if isinstance(tables, list) else list(tables) if isinstance(tables, dict) else []
    if not names:
        raise ConfigError(f"{key!r} matches no setting: there is no table or list {before!r} in {project.name}")
    return [f"{before}.{name}.{after}" for name in names]
