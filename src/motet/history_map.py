"""HistoryMap: what new items in a user's history do to the user's vector, for towers that read no history.

A user's profile is the mean vector of their items, shrunk towards that of a typical user. A ridge regression predicts
the trained user vectors from these profiles. Items that a request adds change a user's profile, and its image under the
regression is added to the user's vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import embedding_bag

from motet.data.history import History
from motet.data.visitors import Visitors
from motet.scorer import Scorer

SHRINKAGE = 3.0  # a profile counts this many typical items besides the user's own: one item alone says little
RIDGE = 0.1  # ridge penalty, as a share of the mean variance of the profiles' dimensions
GATHERED = 1 << 13  # item vectors per gather: small enough that every gather reuses the same memory
PAIRS = 1 << 14  # user-item pairs per block of profiles, roughly; a pair takes some 80 bytes


class HistoryMap:
    r"""A linear map from the items of users to their vectors.

    $$ x(N) = \frac{1}{|N| + 3} \sum_{j \in N} (v_j - \bar v), \qquad
       u' = u + W \, [x(N \cup H) - x(N)], \qquad W = \argmin_W \sum_k \lVert u_k - \bar u - W x(N_k) \rVert^2
       + \lambda \lVert W \rVert^2 $$

    N are the items of a user in the log, and H those that a request adds; u is the user's vector, v_j that of item j;
    $\bar u$ is the mean of the trained users' vectors, and $\bar v$ the mean over these users of the mean vector of
    their items. `benchmarks/strangers.py` compares it with the mean of similar users and with a ridge regression on
    item vectors.

    Args:
        scorer: The scorer of the trained model.
        histories: The items of every user in the training log.

    Source:
        Paterek, "Improving Regularized Singular Value Decomposition for Collaborative Filtering", KDD Cup 2007, for
        user vectors as functions of their items' vectors.
    """

    def __init__(self, scorer: Scorer, histories: History) -> None:
        self.scorer = scorer
        self.histories = histories

    def shift(self, visitors: Visitors) -> Float[Tensor, "n user_dim"]:
        """How far the added items move each visitor's vector.

        Args:
            visitors: Users with the items that a request adds.

        Returns:
            One vector per visitor, to be added to that from the tower; 0 without added items.
        """
        return (self._profiles(visitors) - self._profiles(Visitors(visitors.rows))) @ self.weights

    @cached_property
    def weights(self) -> Float[Tensor, "item_dim user_dim"]:
        """The transpose of W, solved on first use."""
        profiles = torch.cat([self._profiles(block) for block in self._blocks])
        vectors = self.scorer.users(self.histories.users)
        covariance = profiles.T @ profiles
        ridge = (RIDGE * covariance.diagonal().mean()).clamp(min=1e-12)
        covariance = covariance + ridge * torch.eye(len(covariance), device=covariance.device)
        solved: Tensor = torch.linalg.solve(covariance, profiles.T @ (vectors - vectors.mean(0)))
        return solved

    @cached_property
    def typical(self) -> Float[Tensor, " item_dim"]:
        """The mean over users of the mean vector of their items."""
        return torch.cat([self._means(block) for block in self._blocks]).mean(0)

    @cached_property
    def _blocks(self) -> Sequence[Visitors]:
        """The users of the log, in blocks that bound the memory for their histories."""
        users = self.histories.users
        size = PAIRS * len(users) // max(1, len(self.histories.items))
        return [Visitors(rows) for rows in users.split(max(1, size))]

    @torch.no_grad()
    def _profiles(self, visitors: Visitors) -> Float[Tensor, "n item_dim"]:
        """The profile x of each visitor, with the added items."""
        histories = self._extended(visitors)
        counts = histories.starts.diff()[:, None]
        return (self._sums(histories) - counts * self.typical) / (counts + SHRINKAGE)

    def _means(self, visitors: Visitors) -> Float[Tensor, "n item_dim"]:
        """The mean vector of each visitor's items."""
        histories = self._extended(visitors)
        return self._sums(histories) / histories.starts.diff().clamp(min=1)[:, None]

    def _extended(self, visitors: Visitors) -> History:
        """The items of each visitor, those of the log and the added ones."""
        items = len(self.scorer.items)
        return self.histories.with_added(visitors.rows, visitors.who, visitors.items, items).to(self.scorer.device)

    def _sums(self, histories: History) -> Float[Tensor, "n item_dim"]:
        """The sum of the item vectors of each history, gathered for some histories at a time."""
        starts, vectors = histories.starts, self.scorer.items
        edges = torch.searchsorted(starts, torch.arange(0, len(histories.items), GATHERED, device=starts.device))
        sums = [vectors.new_zeros(0, vectors.shape[1])]
        for first, last in pairwise(dict.fromkeys([0, *edges.tolist(), len(starts) - 1])):
            begin, end = int(starts[first]), int(starts[last])
            gathered, places = vectors[histories.items[begin:end]], torch.arange(end - begin, device=starts.device)
            sums.append(embedding_bag(places, gathered, starts[first:last] - begin, mode="sum"))
        return torch.cat(sums)
