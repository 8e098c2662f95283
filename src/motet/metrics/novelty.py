"""Novelty: how far what is recommended is from what everybody knows."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor


def popularity(items: Int[Tensor, " pairs"], rows: int, users: int) -> Float[Tensor, " rows"]:
    r"""The share of users who had each item.

    $$ p_i = |U_i| / |U| $$

    Args:
        items: The item row of every distinct pair of a user and an item they had.
        rows: How many item rows there are, row 0 included.
        users: How many users had anything.

    Returns:
        One share an item row, float64; that of row 0 is 0.

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

    1 where every item is one that half of the users had, 10 where one in a thousand had it.

    Args:
        lists: Item rows; row 0 fills lines up. A line without any item is left out.
        popularity: The share of users who had each item row.
        least: What stands for the popularity of an item that nobody had, whose self-information would be infinite:
            one over the number of users, as if one had had it.

    Returns:
        Bits, 0 or more; NaN where no line has an item.

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
    r"""How much more popular a user's recommendations are than what they had before.

    $$ \mathrm{lift} = \frac{GAP_L - GAP_H}{GAP_H}, \qquad
       GAP_L = \frac{1}{|U|} \sum_u \frac{1}{|L_u|} \sum_{i \in L_u} p_i $$

    and likewise over the histories H. 0 where users are given what is as popular as what they choose, 1 where it is
    twice as popular, negative where it is less popular.

    Args:
        lists: Item rows; row 0 fills lines up.
        popularity: The share of users who had each item row.
        histories: Which line each pair belongs to, and the item row its user had. A user without a history, or without
            a recommendation, is left out of both means.

    Returns:
        A number of at least -1; NaN where no user is left.

    Source:
        Abdollahpouri, Mansoury, Burke and Mobasher, "The Connection Between Popularity Bias, Calibration, and Fairness
        in Recommendation", RecSys 2020, which takes it of a group of users.

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
    """The mean over lines of the mean over what stands in them."""
    there = lists > 0
    sizes = there.sum(1)
    means = (values[lists] * there).sum(1)[sizes > 0] / sizes[sizes > 0]
    return float(means.mean()) if len(means) else math.nan
