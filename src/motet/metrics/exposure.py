"""Exposure: how recommendations are spread over the catalogue."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor


def exposures(lists: Int[Tensor, "users k"], catalogue: int) -> Int[Tensor, " items"]:
    """Count the lists that each item is on.

    Args:
        lists: Item rows, without duplicates in a list, padded with row 0, which is not counted.
        catalogue: Number of items: rows 1 to `catalogue`.

    Returns:
        One count per item, beginning with row 1.

    Example:
        >>> exposures(torch.tensor([[1, 3], [3, 0]]), catalogue=3)
        tensor([1, 0, 2])
    """
    return torch.bincount(lists.flatten(), minlength=catalogue + 1)[1:]


def coverage(lists: Int[Tensor, "users k"], catalogue: int) -> float:
    r"""The share of the catalogue that is recommended to anyone.

    $$ \mathrm{coverage} = \Big| \bigcup_u L_u \Big| \Big/ |I| $$

    It grows with the number of lists, so only figures over the same users are comparable.

    Args:
        lists: Item rows, padded with row 0.
        catalogue: Number of items: rows 1 to `catalogue`.

    Returns:
        A number in [0, 1]; NaN if there are no lists or no items.

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
    r"""How unequally the places on the lists are distributed over items.

    $$ G = \frac{1}{|I| - 1} \sum_{j=1}^{|I|} (2j - |I| - 1) \, p_{(j)}, \qquad p_{(1)} \le p_{(2)} \le \dots $$

    for the share p of all places that an item takes. 0 if all items take equally many, 1 if one item takes all.

    Args:
        counts: Number of places of each item of the catalogue, zeros included, as given by `exposures`.

    Returns:
        A number in [0, 1]; NaN if nothing was recommended, or there are fewer than two items.

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
