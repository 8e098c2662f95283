"""TwoStage: a system that retrieves and ranks with a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from motet.baselines.base import Recommends
from motet.data.history import History
from motet.model import Model


@runtime_checkable
class TwoStage(Recommends, Protocol):
    """A system whose lists and whose model can both be evaluated: a `Recommender`."""

    model: Model

    @property
    def seen(self) -> History:
        """The items of each user row that it does not recommend again."""

    @property
    def retrieves(self) -> Sequence[str]:
        """The tasks that retrieve candidates."""
