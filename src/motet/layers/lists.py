"""Lists: groups of rows, ordered, paired and ranked without loops over rows or lists."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.errors import DataError

LARGEST_GRADE = 1000.0  # 2^1000 is still a number in double precision


class Lists(NamedTuple):
    """The rows with a label, list by list, lowest label first."""

    rows: Int[Tensor, " known"]  # row numbers
    number: Int[Tensor, " known"]  # list of each row
    sizes: Int[Tensor, " lists"]  # number of rows of each list
    lower: Int[Tensor, " known"]  # number of rows of its list with a lower label

    @property
    def starts(self) -> Int[Tensor, " lists"]:
        """The start of each list."""
        return self.sizes.cumsum(0) - self.sizes

    @classmethod
    def of(cls, labels: Float[Tensor, " rows"], groups: Int[Tensor, " rows"]) -> Lists:
        """Order rows by group and label.

        Args:
            labels: NaN where unknown.
            groups: Rows with the same group form a list.

        Returns:
            The lists, by ascending group.

        Example:
            >>> Lists.of(torch.tensor([3.0, 1.0, 2.0]), torch.tensor([7, 7, 9])).rows
            tensor([1, 0, 2])
        """
        rows = (~labels.isnan()).nonzero().squeeze(1)
        rows = rows[labels[rows].argsort()]
        rows = rows[groups[rows].argsort(stable=True)]
        _, number, sizes = groups[rows].unique_consecutive(return_inverse=True, return_counts=True)
        starts = sizes.cumsum(0) - sizes
        return cls(rows, number, sizes, _first_of_run(number, labels[rows]) - starts[number])

    def pairs(self) -> tuple[Int[Tensor, " pairs"], Int[Tensor, " pairs"]]:
        """All pairs of rows of one list with different labels.

        Returns:
            The row with the higher label and the row with the lower label, as positions in `rows`.
        """
        better = torch.repeat_interleave(self.lower)
        within = torch.arange(len(better), device=better.device) - (self.lower.cumsum(0) - self.lower)[better]
        return better, self.starts[self.number[better]] + within

    def total(self, values: Float[Tensor, " known"]) -> Float[Tensor, " lists"]:
        """Sum values over each list.

        Args:
            values: One per row with a label.

        Returns:
            One sum per list.
        """
        return values.new_zeros(len(self.sizes)).index_add(0, self.number, values)


def gains(labels: Float[Tensor, " rows"]) -> Float[Tensor, " rows"]:
    """The gains of graded rows in DCG, `2^label - 1`, in double precision.

    Args:
        labels: Grades from 0, all known.

    Returns:
        One number per row.

    Raises:
        DataError: If a label is below 0 or above 1000.
    """
    wrong = ((labels < 0) | (labels > LARGEST_GRADE)).nonzero()
    if len(wrong):
        raise DataError(
            f"label {labels[wrong[0, 0]].item():g} is not a grade; NDCG takes 2^label - 1 as a gain, so labels must "
            f"lie between 0 and {LARGEST_GRADE:g}"
        )
    return labels.double().exp2() - 1


def discounts(
    number: Int[Tensor, " n"], scores: Float[Tensor, " n"], labels: Float[Tensor, " n"], k: float = torch.inf
) -> Float[Tensor, " n"]:
    r"""The discount of each row's rank in its list, $1 / \log_2(1 + rank)$.

    The best score ranks first; among equal scores, the lower label. Rows with equal score and label share the mean of
    their discounts.

    Args:
        number: Number of each row's list, from 0.
        scores: Higher is better.
        labels: Higher is better.
        k: Ranks beyond k get 0.

    Returns:
        One discount per row, in double precision.
    """
    order = labels.argsort()
    order = order[scores[order].argsort(descending=True, stable=True)]
    order = order[number[order].argsort(stable=True)]
    ranks = 1 + torch.arange(len(order), device=order.device) - _first_of_run(number[order])
    worth = (1 + ranks.double()).log2().reciprocal() * (ranks <= k)
    _, block, sizes = _first_of_run(number[order], scores[order], labels[order]).unique_consecutive(
        return_inverse=True, return_counts=True
    )
    means = worth.new_zeros(len(sizes)).index_add(0, block, worth) / sizes
    return torch.empty_like(worth).index_copy(0, order, means[block])


def _first_of_run(*columns: Tensor) -> Tensor:
    """The first position of each row's run of equal rows; equal rows must be adjacent."""
    differs = torch.stack([column[1:] != column[:-1] for column in columns]).any(0)
    here = torch.arange(1, len(differs) + 1, device=differs.device)
    starts = torch.cat([here.new_zeros(len(columns[0]) - len(differs)), here * differs])
    return starts.cummax(0).values if len(starts) else starts
