"""Exposure: how a system spreads what it recommends over the catalogue."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor


def exposures(lists: Int[Tensor, "users k"], catalogue: int) -> Int[Tensor, " items"]:
    """How many lists each item is on.

    Args:
        lists: Item rows, the best first, no item twice in a line; row 0 fills lines up and counts nowhere.
        catalogue: How many items there are: rows 1 to `catalogue`.

    Returns:
        One count an item, that of row 1 first.

    Example:
        >>> exposures(torch.tensor([[1, 3], [3, 0]]), catalogue=3)
        tensor([1, 0, 2])
    """
    return torch.bincount(lists.flatten(), minlength=catalogue + 1)[1:]


def coverage(lists: Int[Tensor, "users k"], catalogue: int) -> float:
    r"""The share of the catalogue that is recommended to anyone.

    $$ \mathrm{coverage} = \Big| \bigcup_u L_u \Big| \Big/ |I| $$

    It grows with the number of lists, so that only figures over the same users compare.

    Args:
        lists: Item rows; row 0 fills lines up.
        catalogue: How many items there are: rows 1 to `catalogue`.

    Returns:
        A number in [0, 1]; NaN where there is no list or no item.

    Source:
        Ge, Delgado-Battenfeld and Jannach, "Beyond Accuracy: Evaluating Recommender Systems by Coverage and
        Serendipity", RecSys 2010: catalogue coverage.

    Example:
        >>> coverage(torch.tensor([[1, 3], [3, 0]]), catalogue=4)
        0.5
    """
    if not len(lists) or not catalogue:
        return math.nan
    return int((exposures(lists, catalogue) > 0).sum()) / catalogue


def gini(counts: Int[Tensor, " items"] | Float[Tensor, " items"]) -> float:
    r"""How unequally items share the places on the lists.

    $$ G = \frac{1}{|I| - 1} \sum_{j=1}^{|I|} (2j - |I| - 1) \, p_{(j)}, \qquad p_{(1)} \le p_{(2)} \le \dots $$

    for the share p of all places that an item takes. 0 where all items take as many, 1 where one item takes all.

    Args:
        counts: How many places each item of the catalogue takes, zeros included: `exposures`.

    Returns:
        A number in [0, 1]; NaN where nothing was recommended, or there are fewer than two items.

    Source:
        Castells, Hurley and Vargas, "Novelty and Diversity in Recommender Systems", in: Recommender Systems Handbook,
        2nd edition, 2015, section 26.3.

    Example:
        >>> gini(torch.tensor([5, 5, 5])), gini(torch.tensor([0, 0, 9]))
        (0.0, 1.0)
    """
    total, items = float(counts.sum()), len(counts)
    if not total or items < 2:
        return math.nan
    shares = counts.double().sort().values / total
    places = torch.arange(1, items + 1, device=counts.device, dtype=torch.float64)
    return float((2 * places - items - 1).dot(shares)) / (items - 1)
