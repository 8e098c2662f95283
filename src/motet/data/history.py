"""History: the items that each user had, for fast lookup of many users at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import torch
from jaxtyping import Int
from torch import Tensor

from motet.data.batch import Batch


class History(NamedTuple):
    """Distinct items by user: user row u had `items[starts[u]:starts[u + 1]]`, ascending."""

    starts: Int[Tensor, " users_plus_1"]
    items: Int[Tensor, " pairs"]

    @classmethod
    def of(cls, batch: Batch, users: int, items: int) -> Self:
        """Collect the items of every known user; row 0, which stands for many unknown users, has none.

        Args:
            batch: Events.
            users: Number of user rows, including the unknown user.
            items: Number of item rows, including the unknown item.

        Returns:
            The history of every user.

        Example:
            >>> events = {"user_id": torch.tensor([2, 1, 2, 0]), "item_id": torch.tensor([5, 3, 4, 1])}
            >>> History.of(Batch(events), users=3, items=6)
            History(starts=tensor([0, 0, 1, 3]), items=tensor([3, 4, 5]))
        """
        starts, had = cls.of_pairs(batch.users, batch.items, users, items)
        of_unknown = int(starts[1])
        return cls((starts - of_unknown).clamp(min=0), had[of_unknown:])

    @classmethod
    def of_pairs(cls, who: Int[Tensor, " n"], had: Int[Tensor, " n"], users: int, items: int) -> Self:
        """Collect pairs, in any order, repeated or not.

        Args:
            who: User rows, or line numbers.
            had: The item of each pair.
            users: Number of user rows or lines.
            items: Number of item rows, including the unknown item.

        Returns:
            The history of every user.
        """
        pairs = (who * items + had).unique()
        ends = torch.bincount(pairs // items, minlength=users).cumsum(0)
        return cls(torch.cat([ends.new_zeros(1), ends]), pairs % items)

    def of_users(self, users: Int[Tensor, " n"]) -> tuple[Int[Tensor, " found"], Int[Tensor, " found"]]:
        """Look up the items of users.

        Args:
            users: User rows, repeated or not.

        Returns:
            Positions in `users`, ascending, and the items of each.
        """
        starts, stops = self.starts[users], self.starts[users + 1]
        lengths = stops - starts
        who = torch.repeat_interleave(lengths)
        within = torch.arange(len(who), device=who.device) - (lengths.cumsum(0) - lengths)[who]
        return who, self.items[starts[who] + within]

    def with_added(
        self, users: Int[Tensor, " n"], who: Int[Tensor, " added"], had: Int[Tensor, " added"], items: int
    ) -> Self:
        """Extend the histories of some users.

        Args:
            users: User rows, one per line, repeated or not; user 0 has no history.
            who: The line of each added item.
            had: The added items.
            items: Number of item rows, including the unknown item.

        Returns:
            The history of every line.

        Example:
            >>> history = History.of_pairs(torch.tensor([1, 2]), torch.tensor([3, 4]), users=3, items=6)
            >>> history.with_added(torch.tensor([2, 0]), torch.tensor([0, 1]), torch.tensor([5, 5]), items=6)
            History(starts=tensor([0, 2, 3]), items=tensor([4, 5, 5]))
        """
        lines, own = self.of_users(users)
        known = (users[lines] > 0) & (own > 0)
        return self.of_pairs(torch.cat([lines[known], who]), torch.cat([own[known], had]), len(users), items)

    @property
    def users(self) -> Int[Tensor, " present"]:
        """The user rows that have items, ascending."""
        return self.starts.diff().nonzero()[:, 0]

    def pairs(self) -> tuple[Int[Tensor, " pairs"], Int[Tensor, " pairs"]]:
        """All pairs of a user and an item, in order.

        Returns:
            User rows and item rows.
        """
        return torch.repeat_interleave(self.starts.diff()), self.items

    def lines(self, users: Int[Tensor, " n"] | None = None) -> Sequence[Int[Tensor, " _"]]:
        """The items of users.

        Args:
            users: User rows, repeated or not; all users by default.

        Returns:
            One tensor per user.
        """
        starts, stops = self.starts[:-1], self.starts[1:]
        if users is not None:
            starts, stops = starts[users], stops[users]
        return [self.items[start:stop] for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)]

    def keys(self, items: int) -> Int[Tensor, " pairs"]:
        """Encode every pair as one number, for lookups.

        Args:
            items: Number of item rows, including the unknown item.

        Returns:
            `user * items + item`, ascending.
        """
        users, had = self.pairs()
        return users * items + had

    def to(self, device: torch.device | str) -> Self:
        """Move the history to a device.

        Args:
            device: The target.

        Returns:
            The history.
        """
        return type(self)(self.starts.to(device), self.items.to(device))
