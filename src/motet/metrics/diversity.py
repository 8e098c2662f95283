"""Diversity: how much the items of one list differ from each other."""

from __future__ import annotations

import math
from typing import NamedTuple, Self

import torch
from jaxtyping import Float, Int
from torch import Tensor


class Attributes(NamedTuple):
    """Items as sparse unit vectors; the entries of row r are at `starts[r]:starts[r + 1]`."""

    starts: Int[Tensor, " rows_plus_1"]
    columns: Int[Tensor, " values"]
    values: Float[Tensor, " values"]

    @classmethod
    def of(cls, rows: Int[Tensor, " n"], columns: Int[Tensor, " n"], *, size: int) -> Self:
        """Represent items by their attributes, with equal weights.

        Args:
            rows: Item rows.
            columns: An attribute of each, such as a genre or a brand. Duplicates count once.
            size: Number of item rows.

        Returns:
            Unit vectors; empty for items without attributes.

        Example:
            >>> Attributes.of(torch.tensor([1, 1, 2]), torch.tensor([0, 1, 1]), size=3).starts
            tensor([0, 0, 2, 3])
        """
        width = int(columns.max()) + 1 if len(columns) else 1
        cells = (rows * width + columns).unique()
        sizes = torch.bincount(cells // width, minlength=size)
        starts = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
        return cls(starts, cells % width, sizes[cells // width].double().rsqrt())

    @classmethod
    def dense(cls, vectors: Float[Tensor, "rows width"]) -> Self:
        """Represent items by dense vectors, such as those of a model's item tower.

        Args:
            vectors: One per item row.

        Returns:
            Unit vectors; empty for items whose vector is 0.
        """
        lengths = vectors.double().norm(dim=1, keepdim=True)
        unit = vectors.double() / lengths.where(lengths > 0, 1.0)
        sizes = (lengths[:, 0] > 0) * vectors.shape[1]
        starts = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
        columns = torch.arange(vectors.shape[1], device=vectors.device)
        kept = unit[lengths[:, 0] > 0]
        return cls(starts, columns.repeat(len(kept)), kept.flatten())


def intra_list_diversity(lists: Int[Tensor, "users k"], items: Attributes) -> float:
    r"""The mean dissimilarity of two items of a list, averaged over lists.

    $$ ILD = \frac{1}{|U|} \sum_u \frac{1}{|L_u| (|L_u| - 1)} \sum_{i \ne j \in L_u} \big( 1 - \cos(v_i, v_j) \big) $$

    The sum over pairs is the squared length of a sum of vectors, $\sum_{i, j} \cos = | \sum_i v_i |^2$, so pairs are
    never enumerated. An item without a vector is at distance 1 from all others. Figures based on different vectors are
    not comparable.

    Args:
        lists: Item rows, padded with row 0. Lists with fewer than two items are left out.
        items: The vector of each item row.

    Returns:
        A number in [0, 2], or in [0, 1] if no vector has negative entries; NaN if no list has two items.

    Source:
        Ziegler et al., "Improving Recommendation Lists Through Topic Diversification", WWW 2005; Castells, Hurley and
        Vargas, "Novelty and Diversity in Recommender Systems", in: Recommender Systems Handbook, 2nd edition, 2015,
        section 26.3: average intra-list distance.

    Example:
        >>> genres = Attributes.of(torch.tensor([1, 2, 3]), torch.tensor([0, 0, 1]), size=4)
        >>> intra_list_diversity(torch.tensor([[1, 2], [1, 3]]), genres)
        0.5
    """
    sizes = (lists > 0).sum(1)
    lists, sizes = lists[sizes > 1], sizes[sizes > 1]
    if not len(lists):
        return math.nan
    pairs = torch.cat([_squares(block, items) for block in lists.split(_lines(lists.shape[1], items))])
    return float((1 - pairs / (sizes * (sizes - 1))).mean())


def _squares(lists: Tensor, items: Attributes) -> Tensor:
    """For each list, the sum of the cosines of all pairs of different items."""
    lines, places = (lists > 0).nonzero(as_tuple=True)
    rows = lists[lines, places]
    starts, sizes = items.starts[rows], items.starts.diff()[rows]
    who = torch.repeat_interleave(sizes)
    at = starts[who] + torch.arange(len(who), device=lists.device) - (sizes.cumsum(0) - sizes)[who]
    width = int(items.columns.max()) + 1 if len(items.columns) else 1
    cells, cell = (lines[who] * width + items.columns[at]).unique(return_inverse=True)
    values = items.values[at]
    sums = torch.zeros(len(cells), dtype=torch.float64, device=lists.device).index_add_(0, cell, values)
    squares = torch.zeros(len(lists), dtype=torch.float64, device=lists.device)
    return squares.index_add_(0, cells // width, sums.square()).index_add_(0, lines[who], -values.square())


def _lines(k: int, items: Attributes) -> int:
    """How many lists to process at once, to keep their vectors below about 100 MB."""
    return max(1, (1 << 22) // max(1, k * int(items.starts.diff().max())))
