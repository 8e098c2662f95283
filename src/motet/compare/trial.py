"""Trial: some settings, and the result of training with them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Self

State = Literal["started", "done", "pruned", "failed"]


@dataclass(frozen=True)
class Trial:
    """Some settings, and the result of training with them.

    Attributes:
        number: Counts from 0, in the order in which trials were chosen.
        settings: By `table.key`.
        state: `pruned` if training was stopped because other trials were ahead; `failed` if it raised an error.
        figures: Validation metrics, the means over the seeds; those without rows are left out.
        spread: Standard deviation of each metric over several seeds.
        seconds: Duration.
        error: Why it failed.
        rungs: Score by number of epochs, at each comparison with other trials.
        epochs: The best epoch, if every epoch was evaluated.
        memory: State of the sampler, or further results.
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
        """Whether it has ended."""
        return self.state != "started"

    def failed(self, error: BaseException) -> Self:
        """The same trial, marked as failed.

        Args:
            error: The reason.

        Returns:
            A new trial.
        """
        return replace(self, state="failed", error=" ".join(f"{type(error).__name__}: {error}".split()))

    def figure(self, key: str) -> float:
        """One metric.

        Args:
            key: Key of the metric.

        Returns:
            Its value; NaN if there is none.
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
