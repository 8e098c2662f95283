"""NDCG: hits discounted by their place on the list."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.metrics.per_query import PerQuery


class NDCG(PerQuery):
    r"""Normalised discounted cumulative gain of binary relevance, averaged over users.

    $$ NDCG_q@k = \frac{\sum_{j : place_{qj} \le k} 1 / \log_2(1 + place_{qj})}
    {\sum_{p=1}^{\min(n_q, k)} 1 / \log_2(1 + p)} $$

    1 if the user's positives fill the top of the list.

    Args:
        k: Length of the list; all candidates by default.

    Source:
        Jarvelin and Kekalainen, "Cumulated Gain-based Evaluation of IR Techniques", TOIS 2002; the discount
        of Burges et al., "Learning to Rank using Gradient Descent", ICML 2005, section 6, which sets the second place
        below the first.

    Example:
        >>> ndcg = NDCG(10)
        >>> ndcg.update(torch.tensor([3.0, 11.0]), torch.tensor([7, 8]))
        >>> ndcg.compute()
        0.25
    """

    def gain(self, places: Float[Tensor, " n"], numbers: Float[Tensor, " n"]) -> Float[Tensor, " n"]:  # noqa: ARG002
        """The discount of the place; see `PerQuery.gain`."""
        return (1 + places).log2().reciprocal()

    def best(self, sizes: Int[Tensor, " q"]) -> Float[Tensor, " q"]:
        """The gain of a perfect list; see `PerQuery.best`."""
        filled = sizes.clamp(max=self.k).long()
        places = torch.arange(1, int(filled.max()) + 1, device=sizes.device).double()
        return self.gain(places, places).cumsum(0)[filled - 1]
