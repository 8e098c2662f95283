"""Listwise losses, which compare the rows of a group with each other.

Each function returns one number per row; over a list they sum to the published loss. Rows with equal labels form no
pair, rows with a NaN label are ignored, and the order of rows does not matter. There are no loops over rows or groups.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from motet.errors import ConfigError, DataError, did_you_mean
from motet.layers.lists import Lists, discounts, gains

ListLoss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Maps scores, labels and groups [rows] to losses [rows]."""


def list_mle(
    scores: Float[Tensor, " rows"], labels: Float[Tensor, "*labels"], groups: Int[Tensor, "*groups"]
) -> Float[Tensor, " rows"]:
    r"""Negative log-likelihood of the order of the labels under a Plackett-Luce model with the given scores.

    $$ \ell_r = -\log \frac{e^{s_r}}{e^{s_r} + \sum_{c : y_c < y_r} e^{s_c}} $$

    over the rows c of the same list. Without equal labels, the sum over a list is ListMLE; the order of rows with equal
    labels is unknown, so they are not compared.

    Args:
        scores: Higher is better.
        labels: Higher is better; NaN where unknown.
        groups: Rows with the same group form a list.

    Returns:
        One loss per row, 0 for the lowest label of a list.

    Raises:
        DataError: If the shapes differ.

    Source:
        Xia et al., "Listwise Approach to Learning to Rank: Theory and Algorithm", ICML 2008, eq. 9.

    Example:
        >>> list_mle(torch.zeros(3), torch.tensor([3.0, 2.0, 1.0]), torch.tensor([7, 7, 7]))
        tensor([1.0986, 0.6931, 0.0000])
    """
    lists = _lists(scores, labels, groups)
    own = scores[lists.rows]
    longest = int(lists.sizes.max()) if len(lists.sizes) else 0
    place = torch.arange(len(own), device=own.device) - lists.starts[lists.number]
    table = own.new_full((len(lists.sizes), longest), -torch.inf).index_put((lists.number, place), own)
    below = torch.cat([table.new_full((len(table), 1), -torch.inf), table.logcumsumexp(1)], 1)
    return _back(F.softplus(below[lists.number, lists.lower] - own), lists.rows, scores)


def pairwise_logistic(
    scores: Float[Tensor, " rows"], labels: Float[Tensor, "*labels"], groups: Int[Tensor, "*groups"]
) -> Float[Tensor, " rows"]:
    r"""The logistic loss of every pair of rows with different labels, split equally between the two rows.

    $$ L = \sum_{y_i > y_j} \log(1 + e^{s_j - s_i}) $$

    Args:
        scores: Higher is better.
        labels: Higher is better; NaN where unknown.
        groups: Rows with the same group form a list.

    Returns:
        One loss per row.

    Raises:
        DataError: If the shapes differ.

    Source:
        Burges et al., "Learning to Rank using Gradient Descent", ICML 2005, eq. 3.

    Example:
        >>> pairwise_logistic(torch.zeros(2), torch.tensor([0.0, 1.0]), torch.tensor([7, 7])).sum()
        tensor(0.6931)
    """
    lists = _lists(scores, labels, groups)
    better, worse = lists.pairs()
    own = scores[lists.rows]
    return _halves(F.softplus(own[worse] - own[better]), better, worse, lists, scores)


def pairwise_hinge(
    scores: Float[Tensor, " rows"], labels: Float[Tensor, "*labels"], groups: Int[Tensor, "*groups"]
) -> Float[Tensor, " rows"]:
    r"""The hinge loss (margin 1) of every pair of rows with different labels, split equally between the two rows.

    $$ L = \sum_{y_i > y_j} \max(0, 1 - s_i + s_j) $$

    Args:
        scores: Higher is better.
        labels: Higher is better; NaN where unknown.
        groups: Rows with the same group form a list.

    Returns:
        One loss per row.

    Raises:
        DataError: If the shapes differ.

    Source:
        Herbrich et al., "Large Margin Rank Boundaries for Ordinal Regression", 2000; Joachims, "Optimizing Search
        Engines using Clickthrough Data", KDD 2002.

    Example:
        >>> pairwise_hinge(torch.tensor([0.0, 0.5]), torch.tensor([0.0, 1.0]), torch.tensor([7, 7])).sum()
        tensor(0.5000)
    """
    lists = _lists(scores, labels, groups)
    better, worse = lists.pairs()
    own = scores[lists.rows]
    return _halves((1 - own[better] + own[worse]).relu(), better, worse, lists, scores)


def lambda_rank(
    scores: Float[Tensor, " rows"], labels: Float[Tensor, "*labels"], groups: Int[Tensor, "*groups"]
) -> Float[Tensor, " rows"]:
    r"""The pairwise logistic loss, with each pair weighted by the change in NDCG if its rows were swapped.

    $$ L = \sum_{y_i > y_j} |\Delta_{ij}| \log(1 + e^{s_j - s_i}), \qquad
       \Delta_{ij} = \frac{2^{y_i} - 2^{y_j}}{maxDCG}
       \Big( \frac{1}{\log_2(1 + r_i)} - \frac{1}{\log_2(1 + r_j)} \Big) $$

    with the ranks r given by the scores, without gradient. Among equal scores the lower label ranks first.

    Args:
        scores: Higher is better.
        labels: Grades from 0; NaN where unknown.
        groups: Rows with the same group form a list.

    Returns:
        One loss per row, half of each of its pairs.

    Raises:
        DataError: If the shapes differ, or a label is below 0 or above 1000.

    Source:
        Burges, "From RankNet to LambdaRank to LambdaMART: An Overview", Microsoft Research 2010, section 4.

    Example:
        >>> lambda_rank(torch.zeros(2), torch.tensor([0.0, 1.0]), torch.tensor([7, 7])).sum()
        tensor(0.2558)
    """
    lists = _lists(scores, labels, groups)
    better, worse = lists.pairs()
    own = scores[lists.rows]
    weights = _deltas(lists, scores, labels, better, worse)
    return _halves(weights * F.softplus(own[worse] - own[better]), better, worse, lists, scores)


def against_chance(loss: str) -> ListLoss:
    r"""A loss normalised so that uninformative scores give a mean of 1 over the rows of any list.

    The loss of each list is divided by its value for equal scores, and scaled so that the mean over the rows is that
    quotient. Lists of any length, and all of these losses, then have the same weight.

    $$ \ell'_r = n \, \frac{\ell_r}{\sum_c \ell_c(s = 0)} $$

    for the n rows c of the list. For `"lambda"` the weights of the pairs stay those of the actual scores.

    Args:
        loss: `"listmle"`, `"lambda"`, `"hinge"` or `"logistic"`.

    Returns:
        The function; lists without a pair get 0.

    Raises:
        ConfigError: If the name is unknown.

    Example:
        >>> against_chance("listmle")(torch.zeros(3), torch.tensor([3.0, 2.0, 1.0]), torch.tensor([7, 7, 7])).mean()
        tensor(1.)
    """
    if loss not in _LOSSES:
        raise ConfigError(f"loss={loss!r} is not one of {', '.join(map(repr, _LOSSES))}{did_you_mean(loss, _LOSSES)}")

    return partial(_divided, loss)


def _divided(loss: str, scores: Tensor, labels: Tensor, groups: Tensor) -> Tensor:
    lists = _lists(scores, labels, groups)
    chance = lists.total(_chance(loss, lists, scores.detach(), labels))
    factor = torch.where(chance > 0, lists.sizes / chance, 0.0).to(scores.dtype)
    losses = _LOSSES[loss](scores, labels, groups)
    return _back(losses[lists.rows] * factor[lists.number], lists.rows, scores)


def _deltas(lists: Lists, scores: Tensor, labels: Tensor, better: Tensor, worse: Tensor) -> Tensor:
    """The change in NDCG if the rows of each pair were swapped."""
    grades = labels[lists.rows]
    worth = gains(grades)
    now = discounts(lists.number, scores.detach()[lists.rows], grades)
    best = lists.total(worth * discounts(lists.number, grades, grades))[lists.number[better]]
    swapped = (worth[better] - worth[worse]) * (now[better] - now[worse]).abs()
    return (swapped / best).to(scores.dtype)


def _chance(loss: str, lists: Lists, scores: Tensor, labels: Tensor) -> Tensor:
    """The share of each labelled row in its list's loss for equal scores."""
    if loss == "listmle":
        return lists.lower.double().log1p()
    if loss == "lambda":
        better, worse = lists.pairs()
        weights = _deltas(lists, scores, labels, better, worse).double()
        return weights.new_zeros(len(lists.rows)).index_add(0, better, weights) * math.log(2)
    return lists.lower.double() * (math.log(2) if loss == "logistic" else 1.0)


def _halves(losses: Tensor, better: Tensor, worse: Tensor, lists: Lists, scores: Tensor) -> Tensor:
    return _back(losses / 2, lists.rows[better], scores) + _back(losses / 2, lists.rows[worse], scores)


def _back(values: Tensor, rows: Tensor, scores: Tensor) -> Tensor:
    """Sum values by row; 0 for other rows."""
    return torch.zeros_like(scores).index_add(0, rows, values)


def _lists(scores: Tensor, labels: Tensor, groups: Tensor) -> Lists:
    if not scores.shape == labels.shape == groups.shape:
        shapes = ", ".join(str(list(part.shape)) for part in (scores, labels, groups))
        raise DataError(
            f"scores, labels and groups have shapes {shapes}; all must be [rows]: squeeze the last dimension of "
            "[rows, 1]"
        )
    return Lists.of(labels, groups)


_LOSSES: dict[str, ListLoss] = {
    "listmle": list_mle,
    "lambda": lambda_rank,
    "hinge": pairwise_hinge,
    "logistic": pairwise_logistic,
}
