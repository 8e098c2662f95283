"""MRR: mean reciprocal rank of the first hit."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.metrics.per_query import PerQuery


class MRR(PerQuery):
    r"""One over the place of the user's first positive, averaged over users.

    $$ MRR_q@k = \frac{[place_{q1} \le k]}{place_{q1}} $$

    0 for users without a positive among the top k.

    Args:
        k: Length of the list; all candidates by default.

    Source:
        Voorhees, "The TREC-8 Question Answering Track Report", TREC 1999.

    Example:
        >>> mrr = MRR()
        >>> mrr.update(torch.tensor([2.0, 9.0, 4.0]), torch.tensor([7, 7, 8]))
        >>> mrr.compute()
        0.375
    """

    def gain(self, places: Float[Tensor, " n"], numbers: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """One over the place of the first positive, 0 for the others; see `PerQuery.gain`."""
        return (numbers == 1) / places

    def best(self, sizes: Int[Tensor, " q"]) -> Float[Tensor, " q"]:
        """1, for the first place; see `PerQuery.best`."""
        return torch.ones_like(sizes, dtype=torch.float64)
