"""Novelty: how unpopular the recommended items are."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor


def popularity(items: Int[Tensor, " pairs"], rows: int, users: int) -> Float[Tensor, " rows"]:
    r"""The share of users who had each item.

    $$ p_i = |U_i| / |U| $$

    Args:
        items: The item row of every distinct pair of a user and an item.
        rows: Number of item rows, including row 0.
        users: Number of users with any item.

    Returns:
        One share per item row, float64; that of row 0 is 0.

    Example:
        >>> popularity(torch.tensor([1, 1, 2]), rows=4, users=2)
        tensor([0.0000, 1.0000, 0.5000, 0.0000], dtype=torch.float64)
    """
    counts = torch.bincount(items, minlength=rows).double()
    counts[0] = 0
    return counts / max(users, 1)


def novelty(lists: Int[Tensor, "users k"], popularity: Float[Tensor, " rows"], *, least: float) -> float:
    r"""The mean self-information of what is recommended, in bits.

    $$ \frac{1}{|U|} \sum_u \frac{1}{|L_u|} \sum_{i \in L_u} - \log_2 p_i $$

    1 if half of the users had each item, 10 if one in a thousand had it.

    Args:
        lists: Item rows, padded with row 0. Empty lists are left out.
        popularity: The share of users who had each item.
        least: Lower bound of the popularity, because the self-information of an item that nobody had is infinite: one
            over the number of users, as if one user had had it.

    Returns:
        Bits, 0 or more; NaN if all lists are empty.

    Source:
        Zhou et al., "Solving the Apparent Diversity-Accuracy Dilemma of Recommender Systems", PNAS 2010; Castells,
        Hurley and Vargas, "Novelty and Diversity in Recommender Systems", in: Recommender Systems Handbook, 2nd
        edition, 2015, section 26.3: mean self-information.

    Example:
        >>> novelty(torch.tensor([[1, 2]]), torch.tensor([0.0, 0.5, 0.125]), least=0.1)
        2.0
    """
    return _mean_of_lines(lists, -popularity.double().clamp(min=least).log2())


def popularity_lift(
    lists: Int[Tensor, "users k"],
    popularity: Float[Tensor, " rows"],
    histories: tuple[Int[Tensor, " pairs"], Int[Tensor, " pairs"]],
) -> float:
    r"""How much more popular a user's recommendations are than their history.

    $$ \mathrm{lift} = \frac{GAP_L - GAP_H}{GAP_H}, \qquad
       GAP_L = \frac{1}{|U|} \sum_u \frac{1}{|L_u|} \sum_{i \in L_u} p_i $$

    and likewise over the histories H. 0 if recommendations are as popular as what users choose, 1 if they are twice as
    popular, negative if they are less popular.

    Args:
        lists: Item rows, padded with row 0.
        popularity: The share of users who had each item.
        histories: The list number and the item row of each pair of a user and an item they had. Users without a
            history or without recommendations are left out of both means.

    Returns:
        A number of at least -1; NaN if no user is left.

    Source:
        Abdollahpouri, Mansoury, Burke and Mobasher, "The Connection Between Popularity Bias, Calibration, and Fairness
        in Recommendation", RecSys 2020, where it is defined for groups of users.

    Example:
        >>> shares = torch.tensor([0.0, 0.75, 0.25])
        >>> popularity_lift(torch.tensor([[1]]), shares, (torch.tensor([0, 0]), torch.tensor([1, 2])))
        0.5
    """
    lines, items = histories
    sizes = torch.bincount(lines, minlength=len(lists))
    both = (sizes > 0) & (lists > 0).any(1)
    sums = torch.zeros(len(lists), dtype=torch.float64, device=lists.device)
    before = (sums.index_add(0, lines, popularity.double()[items]) / sizes)[both]
    if not len(before):
        return math.nan
    mean = float(before.mean())
    return (_mean_of_lines(lists[both], popularity.double()) - mean) / mean if mean else math.nan


def _mean_of_lines(lists: Tensor, values: Tensor) -> float:
    """The mean over lists of the mean over their items."""
    there = lists > 0
    sizes = there.sum(1)
    means = (values[lists] * there).sum(1)[sizes > 0] / sizes[sizes > 0]
    return float(means.mean()) if len(means) else math.nan
