"""MAP: mean average precision."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor

from motet.metrics.per_query import PerQuery


class MAP(PerQuery):
    r"""Mean average precision: the precision at each of the user's hits, averaged over hits and then over users.

    $$ AP_q@k = \frac{1}{\min(n_q, k)} \sum_{j : place_{qj} \le k} \frac{j}{place_{qj}} $$

    1 if the user's positives fill the top of the list.

    Args:
        k: Length of the list; all candidates by default.

    Source:
        Manning, Raghavan and Schutze, "Introduction to Information Retrieval", 2008, eq. 8.8; cut off at k as in
        Kaggle's MAP@k.

    Example:
        >>> import torch
        >>> average_precision = MAP(10)
        >>> average_precision.update(torch.tensor([1.0, 4.0]), torch.tensor([7, 7]))
        >>> average_precision.compute()
        0.75
    """

    def gain(self, places: Float[Tensor, " n"], numbers: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """The precision at the place; see `PerQuery.gain`."""
        return numbers / places

    def best(self, sizes: Int[Tensor, " q"]) -> Float[Tensor, " q"]:
        """The number of hits that the list can hold; see `PerQuery.best`."""
        return sizes.double().clamp(max=self.k)
