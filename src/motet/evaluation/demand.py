"""Demand: the held-out interactions that served lists are judged by.

A user's list never holds an item that counts as seen, so only the first new interaction of a user with an item is
demand. Repeated items and unknown users or items are left out, and counted in the notes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motet.data.batch import distinct
from motet.data.history import History
from motet.data.log import EventLog
from motet.evaluation.item_attributes import ItemAttributes
from motet.metrics.novelty import popularity

PAIRS = 1 << 15  # pairs looked up at once, so that their lists stay in cache


@dataclass(frozen=True)
class Demand:
    """The distinct user-item pairs of a test log whose item can be recommended to the user.

    Attributes:
        users: The users of the pairs: user rows, ascending.
        lines: The position of each pair's user in `users`.
        items: The item row of each pair.
        rows: The position of each pair's first row in the test log.
        seen: The training items of every user, whether or not they can be recommended again.
        catalogue: Number of known items: rows 1 to `catalogue`.
        repeated: Number of pairs left out because the item counts as seen.
        unknown: Number of test rows left out because the user or the item is unknown.
    """

    users: Int[Tensor, " users"]
    lines: Int[Tensor, " pairs"]
    items: Int[Tensor, " pairs"]
    rows: Int[Tensor, " pairs"]
    seen: History
    catalogue: int
    repeated: int
    unknown: int

    @classmethod
    def of(
        cls, test: EventLog, train: EventLog, positives: Bool[Tensor, " rows"], barred: History | None = None
    ) -> Self:
        """Collect the demand of a test log.

        Args:
            test: Held-out rows.
            train: Training rows.
            positives: Mask of the test rows that count as interactions.
            barred: The items that count as seen by each user row; by default all their training items.

        Returns:
            The demand.
        """
        batch, width = test.batch(), len(test.items)
        known = (batch.users > 0) & (batch.items > 0) & positives
        pairs, _, first, _ = distinct((batch.users * width + batch.items)[known])
        seen = History.of(train.batch(), len(train.users), width)
        barred = seen if barred is None else barred
        served = ~torch.isin(pairs, barred.keys(width))
        new, rows = pairs[served], known.nonzero()[:, 0][first[served]]
        users, lines = (new // width).unique(return_inverse=True)
        left_out = {"repeated": len(pairs) - len(new), "unknown": int((positives & ~known).sum())}
        return cls(users, lines, new % width, rows, seen, width - 1, **left_out)

    @cached_property
    def histories(self) -> tuple[Int[Tensor, " pairs"], Int[Tensor, " pairs"]]:
        """The training items of `users`: positions in `users`, and item rows."""
        lines, items = self.seen.of_users(self.users)
        return lines[items > 0], items[items > 0]

    @cached_property
    def popularity(self) -> Float[Tensor, " rows"]:
        """The share of the training users who had each item row."""
        return popularity(self.seen.items, self.catalogue + 1, self.training_users)

    @cached_property
    def training_users(self) -> int:
        """Number of known users in the training log."""
        return int((self.seen.starts.diff()[1:] > 0).sum())

    def ranks(self, lists: Int[Tensor, "users k"]) -> Float[Tensor, " pairs"]:
        """The rank of each pair's item on its user's list.

        Args:
            lists: Item rows, one line for each of `users`, padded with row 0.

        Returns:
            Ranks from 1; infinity if the item is not on the list.
        """
        places = torch.full((len(self.items),), torch.inf, dtype=torch.float64)
        for start in range(0, len(places), PAIRS):
            here = slice(start, start + PAIRS)
            listed = lists.index_select(0, self.lines[here]) == self.items[here, None]
            found = listed.flatten().nonzero()[:, 0]
            places[start + found // listed.shape[1]] = (found % listed.shape[1] + 1).double()
        return places

    def notes(self, k: int, attributes: ItemAttributes | None, *, foreign: bool = False) -> list[str]:
        """Describe how the lists were evaluated.

        Args:
            k: Length of the lists.
            attributes: The attributes for their diversity.
            foreign: Whether the system may serve items that its user had in training.

        Returns:
            Sentences for a report.
        """
        diversity = "" if attributes is None else f"; diversity by {attributes.name}"
        without = "" if foreign else ", without items seen in training"
        notes = [
            f"served: the {k} items that `recommend` gives each of {len(self.users):,} users{without}, evaluated on "
            f"the {len(self.items):,} unseen items they interacted with{diversity}."
        ]
        if self.repeated:
            notes.append(
                f"{self.repeated:,} held-out pairs of a user and an item were seen in training and cannot be served."
            )
        if self.unknown:
            notes.append(f"{self.unknown:,} held-out rows have an unknown user or item, and no list.")
        return notes
