"""Touched: items the user has already interacted with come first, ordered by conversion rate."""

from __future__ import annotations

from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motet.baselines.positives import Positives
from motet.baselines.ranking import Ranking
from motet.data.history import History
from motet.data.log import EventLog
from motet.tasks.rows import Rows


class Touched(Ranking):
    r"""Ranks the items a user touched first, then all others, each group by conversion rate.

    $$ s_{ui} = [u \text{ touched } i] + \frac{c_i}{1 + c_i}, \qquad
       c_i = \frac{\text{users who reached the goal with } i}{\max(1, \text{users who touched } i)} $$

    Where people look before they buy, this rule is hard to beat. `exclude_seen` leaves out only items with which the
    user reached the goal; items that were only touched stay. Users without a touch get the most popular items.

    Args:
        train: The training log.
        touched: Which rows are touches, such as `"event in ['view', 'cart']"`.
        where: Which rows reach the goal, such as `"event == 'buy'"`.
        name: Key of its scores and metrics.

    Example:
        >>> import polars as pl
        >>> from motet.data.schema import Schema
        >>> events = {"user_id": [1, 1, 2, 2], "item_id": [*"abaa"], "event": ["view", "view", "view", "buy"]}
        >>> log = EventLog.read(pl.DataFrame(events), Schema(event="event"))
        >>> Touched(log, "event == 'view'", where="event == 'buy'").recommend(1, k=2).ids
        array(['a', 'b'], dtype=object)
    """

    def __init__(self, train: EventLog, touched: str | Rows, *, where: str | Rows, name: str = "touched first") -> None:
        super().__init__(train, name=name, where=where)
        shape = self.positives.shape
        batch, rows = train.batch(), Rows.of(touched)
        self.touched = touched
        self._touches = Positives.of(batch, rows.chosen(batch).float(), shape)
        reached, tried = (torch.bincount(pairs.items, minlength=shape[1]) for pairs in (self.positives, self._touches))
        conversion = reached / tried.clamp(min=1)
        self.conversion: Tensor = conversion / (1 + conversion)

    @cached_property
    def warm(self) -> Bool[Tensor, " users"]:
        """By user row: whether the user touched anything."""
        return torch.bincount(self._touches.users, minlength=len(self.users)) > 0

    @cached_property
    def seen(self) -> History:
        """Items that `exclude_seen` leaves out: those that reached the goal, unless something else is assigned."""
        return History.of_pairs(self.positives.users, self.positives.items, *self.positives.shape)

    @cached_property
    def _touches_of(self) -> History:
        return History.of_pairs(self._touches.users, self._touches.items, *self._touches.shape)

    def block(self, users: Int[Tensor, " n"], items: Int[Tensor, " m"]) -> Float[Tensor, "n m"]:
        """1 for touched items, plus the conversion; see `Ranking.block`."""
        scores = self.conversion[items].repeat(len(users), 1)
        column = torch.full((len(self.items),), -1)
        column[items] = torch.arange(len(items))
        who, what = self._touches_of.of_users(users)
        here = column[what] >= 0
        scores[who[here], column[what[here]]] += 1
        return scores
