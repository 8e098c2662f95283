"""PairCounts: the distinct user-item pairs of some events, counted up to any time.

A pair counts once, from its first event on. Keys that combine a user, an item or both with a time are kept in ascending
order, so that every count is a binary search.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motet.data.batch import Batch
from motet.data.history import History


class PairCounts(NamedTuple):
    """The distinct pairs of some events, with the time of the first event of each.

    Attributes:
        history: The items of every user, in the order of `pairs`.
        pairs: `user * items + item`, ascending.
        first: The time of the first event of each pair.
        times: The same times, ascending.
        by_user: `user * (pairs + 1) + rank`, ascending, with the rank of the pair in the order of times.
        by_item: The same with the item.
        items: The number of item rows, including the unknown item.
    """

    history: History
    pairs: Int[Tensor, " pairs"]
    first: Float[Tensor, " pairs"]
    times: Float[Tensor, " pairs"]
    by_user: Int[Tensor, " pairs"]
    by_item: Int[Tensor, " pairs"]
    items: int

    @classmethod
    def of(cls, batch: Batch, times: Float[Tensor, " rows"], *, users: int, items: int) -> Self:
        """Collect the pairs of events.

        Args:
            batch: The events.
            times: The time of each.
            users: Number of user rows, including the unknown user.
            items: Number of item rows, including the unknown item.

        Returns:
            The pairs.
        """
        pairs, which = (batch.users * items + batch.items).unique(return_inverse=True)
        first = times.new_full((len(pairs),), torch.inf).scatter_reduce(0, which, times, "amin")
        ascending, order = first.sort()
        rank = torch.empty_like(order).scatter_(0, order, torch.arange(len(order)))
        by_user, by_item = ((rows * (len(pairs) + 1) + rank).sort().values for rows in (pairs // items, pairs % items))
        return cls(History.of(batch, users, items), pairs, first, ascending, by_user, by_item, items)

    def occurred(
        self, users: Int[Tensor, " n"], items: Int[Tensor, " n"], before: Float[Tensor, " n"]
    ) -> Bool[Tensor, " n"]:
        """Look up whether pairs occurred before a time.

        Args:
            users: The user row of each pair.
            items: The item row of each pair.
            before: The time of each pair.

        Returns:
            True for each pair that did.
        """
        if not len(self.pairs):
            return torch.zeros(len(users), dtype=torch.bool)
        keys = users * self.items + items
        at = torch.searchsorted(self.pairs, keys).clamp(max=len(self.pairs) - 1)
        return (self.pairs[at] == keys) & (self.first[at] < before)

    def of_users(self, users: Int[Tensor, " n"], before: Float[Tensor, " n"]) -> Int[Tensor, " n"]:
        """Count the items that users had before a time.

        Args:
            users: User rows.
            before: The time of each.

        Returns:
            One count per user.
        """
        return self._count(self.by_user, users, before)

    def of_items(self, items: Int[Tensor, " n"], before: Float[Tensor, " n"]) -> Int[Tensor, " n"]:
        """Count the users who had items before a time.

        Args:
            items: Item rows.
            before: The time of each.

        Returns:
            One count per item.
        """
        return self._count(self.by_item, items, before)

    def earlier_items(
        self, users: Int[Tensor, " n"], before: Float[Tensor, " n"]
    ) -> tuple[Int[Tensor, " found"], Int[Tensor, " found"], Bool[Tensor, " found"]]:
        """List the items of users, and tell which of them occurred before a time.

        Args:
            users: User rows.
            before: The time of each.

        Returns:
            Positions in `users`, ascending; the items of each; and whether the user had the item before the time.
        """
        which, items = self.history.of_users(users)
        at = torch.searchsorted(self.pairs, users[which] * self.items + items)
        return which, items, self.first[at] < before[which]

    def _count(self, keys: Tensor, rows: Tensor, before: Tensor) -> Tensor:
        """The number of pairs with each user or item row, among those before each time."""
        low, earlier = rows * (len(keys) + 1), torch.searchsorted(self.times, before)
        return torch.searchsorted(keys, low + earlier) - torch.searchsorted(keys, low)
