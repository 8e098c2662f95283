"""History: the items each user had, ready to be looked up for many users at once."""

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
        """Collect who had what.

        Args:
            batch: Events.
            users: How many user rows there are, the unknown included.
            items: How many item rows there are, the unknown included.

        Returns:
            The history of every user.

        Example:
            >>> events = {"user_id": torch.tensor([2, 1, 2]), "item_id": torch.tensor([5, 3, 4])}
            >>> History.of(Batch(events), users=3, items=6)
            History(starts=tensor([0, 0, 1, 3]), items=tensor([3, 4, 5]))
        """
        return cls.of_pairs(batch.users, batch.items, users, items)

    @classmethod
    def of_pairs(cls, who: Int[Tensor, " n"], had: Int[Tensor, " n"], users: int, items: int) -> Self:
        """Collect pairs, in any order, repeated or not.

        Args:
            who: Users, or lines of users.
            had: An item of each.
            users: How many users or lines there are.
            items: How many item rows there are, the unknown included.

        Returns:
            The history of every user.
        """
        pairs = (who * items + had).unique()
        ends = torch.bincount(pairs // items, minlength=users).cumsum(0)
        return cls(torch.cat([ends.new_zeros(1), ends]), pairs % items)

    def of_users(self, users: Int[Tensor, " n"]) -> tuple[Int[Tensor, " found"], Int[Tensor, " found"]]:
        """Look users up.

        Args:
            users: User rows, repeated or not.

        Returns:
            Positions in `users`, ascending, and the items each had.
        """
        starts, stops = self.starts[users], self.starts[users + 1]
        lengths = stops - starts
        who = torch.repeat_interleave(lengths)
        within = torch.arange(len(who), device=who.device) - (lengths.cumsum(0) - lengths)[who]
        return who, self.items[starts[who] + within]

    def with_added(
        self, users: Int[Tensor, " n"], who: Int[Tensor, " added"], had: Int[Tensor, " added"], items: int
    ) -> Self:
        """The history of some users, and what is added to it.

        Args:
            users: User rows, one a line, repeated or not; 0 has no history.
            who: The line of each added item.
            had: The added items.
            items: How many item rows there are, the unknown included.

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

    def pairs(self) -> tuple[Int[Tensor, " pairs"], Int[Tensor, " pairs"]]:
        """Every user with an item it had, in order.

        Returns:
            User rows and item rows.
        """
        return torch.repeat_interleave(self.starts.diff()), self.items

    def lines(self) -> Sequence[Int[Tensor, " _"]]:
        """The items of every user, one tensor each.

        Returns:
            As many as there are users.
        """
        lines: Sequence[Tensor] = self.items.split(self.starts.diff().tolist())
        return lines

    def keys(self, items: int) -> Int[Tensor, " pairs"]:
        """Every pair as one number, to be looked up.

        Args:
            items: How many item rows there are, the unknown included.

        Returns:
            `user * items + item`, ascending.
        """
        users, had = self.pairs()
        return users * items + had

    def to(self, device: torch.device | str) -> Self:
        """The same history on another device.

        Args:
            device: Where to.

        Returns:
            The history.
        """
        return type(self)(self.starts.to(device), self.items.to(device))
