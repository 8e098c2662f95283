"""Trial: some settings, and what training with them led to."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Self

State = Literal["started", "done", "pruned", "failed"]


@dataclass(frozen=True)
class Trial:
    """Some settings, and what training with them led to.

    Attributes:
        number: Counts from 0, in the order in which they were chosen.
        settings: By `table.key`.
        state: `pruned` where training ended early because others were ahead; `failed` where it could not be done.
        figures: Of the validation rows, the mean over the seeds; those without rows are left out.
        spread: Standard deviation of each figure over the seeds, where there are several.
        seconds: How long it took.
        error: Why it failed.
        rungs: What it was worth by the number of epochs after which it was held against the others.
        epochs: After which its figures were best, where every epoch was looked at.
        memory: What the sampler wants to find again.
    """

    number: int
    settings: Mapping[str, Any]
    state: State = "started"
    figures: Mapping[str, float] = field(default_factory=dict)
    spread: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    error: str = ""
    rungs: Mapping[int, float] = field(default_factory=dict)
    epochs: int | None = None
    memory: Mapping[str, Any] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Whether it is never tried again."""
        return self.state != "started"

    def failed(self, error: BaseException) -> Self:
        """The same trial, given up.

        Args:
            error: Why.

        Returns:
            Another trial.
        """
        return replace(self, state="failed", error=" ".join(f"{type(error).__name__}: {error}".split()))

    def figure(self, key: str) -> float:
        """One figure.

        Args:
            key: Of the figure.

        Returns:
            NaN where there is none.
        """
        return self.figures.get(key, math.nan)

    def line(self) -> str:
        """The trial as one line of JSON; what is empty is left out."""
        told = {name: value for name, value in asdict(self).items() if value not in ("", {}, None)}
        return json.dumps({**told, "settings": self.settings})

    @classmethod
    def of(cls, line: str) -> Self:
        """Read a line.

        Args:
            line: As `line` wrote it.

        Returns:
            The trial.
        """
        found = json.loads(line)
        found["rungs"] = {int(epochs): value for epochs, value in found.get("rungs", {}).items()}
        return cls(**found)
