"""Rows: which rows a task learns from, and their weights."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from motet.arguments import checked
from motet.data.batch import Batch
from motet.data.expression import Expression
from motet.errors import ConfigError, DataError

DAY_S = 86_400.0


@checked
class Rows:
    r"""A selection of rows and their weights.

    $$ w_r = [where_r] \cdot weight_r \cdot 2^{-age_r / half\,life} $$

    Args:
        where: A condition on columns, such as `"event == 'purchase'"`. By default every row.
        weight: Column of row weights. By default all rows have weight 1.
        half_life_days: The age at which an event has half its weight in training, counted from the latest event of the
            batch. By default weights do not decay.

    Raises:
        ConfigError: If the condition cannot be read, or the half-life is not positive.

    Example:
        >>> rows = Rows("rating >= 4")
        >>> rows.weights(Batch({"user_id": torch.tensor([1, 1]), "rating": torch.tensor([5.0, 3.0])}))
        tensor([1., 0.])
    """

    def __init__(
        self, where: str | None = None, *, weight: str | None = None, half_life_days: float | None = None
    ) -> None:
        if half_life_days is not None and not half_life_days > 0:
            raise ConfigError(
                f"half_life_days={half_life_days}; it must be above 0, or None for weights that do not decay"
            )
        self.where = where
        self.weight = weight
        self.half_life_days = half_life_days
        self._condition = None if where is None else Expression(where)

    @classmethod
    def of(cls, rows: str | Rows | None) -> Rows:
        """Make a selection of rows from a condition.

        Args:
            rows: A condition, a selection, or None for every row.

        Returns:
            The selection.
        """
        return rows if isinstance(rows, Rows) else cls(rows)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the condition and the weights read."""
        where = () if self._condition is None else self._condition.columns
        return where if self.weight is None else (*where, self.weight)

    def config(self) -> dict[str, Any]:
        """The constructor's arguments by name."""
        return {"where": self.where, "weight": self.weight, "half_life_days": self.half_life_days}

    def chosen(self, batch: Batch) -> Bool[Tensor, " batch"]:
        """The rows that the condition selects.

        Args:
            batch: Rows with the columns.

        Returns:
            True for the selected rows.

        Raises:
            DataError: If a column is absent, or the condition compares it with a value that it never has.
        """
        if self._condition is None:
            return torch.ones(len(batch), dtype=torch.bool, device=batch.users.device)
        return self._condition(batch)

    def weights(self, batch: Batch) -> Float[Tensor, " batch"]:
        """The weight of each row, 0 where it is not selected.

        Args:
            batch: Rows with the columns.

        Returns:
            Weights without the decay with age, which applies to training only.

        Raises:
            DataError: If a column is absent, or the condition compares it with a value that it never has.
        """
        weights = torch.ones(len(batch), device=batch.users.device) if self.weight is None else batch[self.weight]
        return weights if self._condition is None else weights.where(self.chosen(batch), 0.0)

    def decay(self, batch: Batch) -> Float[Tensor, " batch"] | float:
        """The decay of each row's weight with age.

        Ages are relative to the latest row of the batch: a weighted mean depends on ratios of weights only, and those
        of a batch of old rows would all round to 0.

        Args:
            batch: Rows with times.

        Returns:
            Factors in (0, 1]; the number 1 if weights do not decay.

        Raises:
            DataError: If the log has no time.
        """
        if self.half_life_days is None or not len(batch):
            return 1.0
        if batch.time_key is None:
            raise DataError(
                f"half_life_days={self.half_life_days} needs the time of each event; name its column in the schema: "
                "Schema(time=...)"
            )
        times = batch[batch.time_key].double()
        return (-(times.max() - times) / (DAY_S * self.half_life_days)).exp2().float()
