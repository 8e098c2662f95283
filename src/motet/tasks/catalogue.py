"""Catalogue: a pool of all items, for a softmax over the whole catalogue."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from motet.data.batch import Batch
from motet.tasks.pool import Candidates, Embed, Pool


class Catalogue(Pool):
    """All items of the catalogue, once each. Nothing is sampled, so nothing needs a correction.

    The cost of a step grows with the catalogue; up to about 100,000 items it is often the best choice.

    Args:
        spare: What is not a negative of a row; see `Pool`.
        hardest: The number of negatives to keep per row, those with the highest scores; None keeps all.
    """

    def draw(self, batch: Batch, item: Float[Tensor, "batch dim"], embed: Embed) -> Candidates:
        """Embed all items.

        Args:
            batch: The rows to train on.
            item: Only its device is read, since all items are embedded together.
            embed: Computes the vectors of item rows.

        Returns:
            All known items in the order of their rows: the unknown item is never ranked, so it is no negative either.
        """
        rows = torch.arange(1, self.items, device=item.device)
        return Candidates(rows, embed(rows), batch.items - 1, torch.ones_like(rows))

    def prepare(self, positives: Batch, users: int, items: int) -> None:
        """Collect histories, and keep the number of items; see `Pool.prepare`.

        Args:
            positives: The training rows that are positives.
            users: The number of user rows, including the unknown user.
            items: The number of item rows, including the unknown item.
        """
        super().prepare(positives, users, items)
        self.items = items
