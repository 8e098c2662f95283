"""Space: which settings of a project are tried, each by a list of values or by a range."""

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
STEPS = 5  # values of a range in a grid, where nothing is said
EVERY = "*"  # in place of a table: all tables at that place

Settings = dict[str, Any]


@dataclass(frozen=True)
class Choice:
    """Values to choose from.

    Attributes:
        values: Each tried by a grid.
    """

    values: tuple[Any, ...]

    def grid(self) -> tuple[Any, ...]:
        """All values."""
        return self.values

    def edges(self) -> tuple[Any, ...]:
        """What stands for all of them in a check: every value."""
        return self.values

    def nearest(self, value: Any) -> Any:
        """The value next to another.

        Args:
            value: As a project has it.

        Returns:
            The very value, or of numbers the next; None where neither is among the values.
        """
        if value in self.values or not isinstance(value, int | float):
            return value if value in self.values else None
        numbers = [each for each in self.values if isinstance(each, int | float)]
        return min(numbers, key=lambda each: abs(each - value), default=None)


@dataclass(frozen=True)
class Range:
    """Numbers between two, both included; whole ones where both are whole.

    Attributes:
        low: The least.
        high: The largest.
        log: Whether to space or draw them evenly by their logarithm.
        steps: How many of them a grid tries.
    """

    low: float
    high: float
    log: bool = False
    steps: int = STEPS

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are meant."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def grid(self) -> tuple[Any, ...]:
        """Evenly spaced values, the ends among them."""
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        even = [low + (high - low) * step / max(self.steps - 1, 1) for step in range(self.steps)]
        values = [math.exp(each) for each in even] if self.log else even
        values[0], values[-1] = self.low, self.high
        return tuple(dict.fromkeys(round(each) if self.whole else float(f"{each:.6g}") for each in values))

    def edges(self) -> tuple[Any, ...]:
        """Its ends."""
        return (self.low, self.high)

    def nearest(self, value: Any) -> Any:
        """The number next to another.

        Args:
            value: As a project has it.

        Returns:
            The number, or the end it lies beyond; None where it is no number.
        """
        return min(max(value, self.low), self.high) if isinstance(value, int | float) else None


Dimension = Choice | Range


def space(project: Project, over: Mapping[str, str | Sequence[Any]]) -> dict[str, Dimension]:
    """What is tried, held against the project.

    Args:
        project: Whose settings they are.
        over: By `table.key`, as in `--set`: a list of values, or a text, `"5,10,20"` or `"16..128:log"`: a range,
            `:log` for even steps of the logarithm, `:4` for four values in a grid. `towers.*.dim` is that of both
            towers at once, `tasks.*.temperature` that of all tasks.

    Returns:
        Dimensions by key, in the order given.

    Raises:
        ConfigError: If a range or a list holds nothing, the project has no such setting, or it takes no such value.
    """
    found = {key: _dimension(key, written) for key, written in over.items()}
    first = {key: dimension.edges()[0] for key, dimension in found.items()}
    for key, dimension in found.items():
        for value in dimension.edges():
            project.changed(spread(project, {**first, key: value}))  # refuses what there is not
    return found


def spread(project: Project, settings: Mapping[str, Any]) -> Settings:
    """Settings with a star in their key, one for each table there is.

    Args:
        project: Whose tables.
        settings: By `table.key`.

    Returns:
        The same settings, without stars.

    Raises:
        ConfigError: If a star stands for nothing.
    """
    return {one: value for key, value in settings.items() for one in _keys(project, key)}


def grid(dimensions: Mapping[str, Dimension]) -> Iterator[Settings]:
    """Every combination.

    Args:
        dimensions: By key.

    Yields:
        Settings; those of the last dimension change fastest.
    """
    for values in itertools.product(*(each.grid() for each in dimensions.values())):
        yield dict(zip(dimensions, values, strict=True))


def shares(names: Sequence[str], points: int) -> list[tuple[float, ...]]:
    """Evenly spaced ways to share one among several tasks: a lattice on the simplex.

    Args:
        names: Of the tasks.
        points: How many on the way from one task alone to another alone, both included.

    Returns:
        Shares in the order of the names; each way sums to 1. Of two tasks there are `points` ways.

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
            raise ConfigError(f"over {key}={written!r} is no range; write LOW..HIGH, LOW..HIGH:log or LOW..HIGH:log:5")
        values = parsed(f"[{written}]") if written.strip() else []
        written = values if isinstance(values, list) else [parsed(each) for each in written.split(",")]
    if not written:
        raise ConfigError(f"over {key} holds no value to try; write {key}=5,10 or {key}=1..10")
    return Choice(tuple(list(each) if isinstance(each, tuple) else each for each in written))  # as TOML has them


def _range(key: str, low: float, high: float, log: bool, steps: int) -> Range:
    if not low < high or steps < 2 or (log and low <= 0):
        rule = "a range of logarithms starts above 0" if log and low <= 0 else "a range goes up, in at least 2 steps"
        raise ConfigError(f"over {key}={low}..{high}{':log' if log else ''}:{steps} holds no value to try; {rule}")
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
        raise ConfigError(f"{key!r} stands for no setting: there is no table or list {before!r} in {project.name}")
    return [f"{before}.{name}.{after}" for name in names]
