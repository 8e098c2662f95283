"""The best of many scores, the lowest column first among equals; and answers of several blocks as one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torch.nn import functional as F

from motet.index.base import Hits

FEW = 1 << 11  # scores that are sorted sooner than the best of them are found
GROUP = 64  # columns of which only the largest is looked at first
WIDE = 4 * GROUP  # columns for each row asked for, from which on looking at groups first is the quicker way


def best(scores: Float[Tensor, "n m"], k: int) -> tuple[Float[Tensor, "n top"], Int[Tensor, "n top"]]:
    """The k largest of each line, in descending order; among equals the lowest column comes first.

    `torch.topk` leaves open which of several equal scores it takes, so a tie at the cut is settled here.

    Args:
        scores: Minus infinity marks what must not be chosen.
        k: How many; fewer are returned where the lines are shorter.

    Returns:
        The scores and their columns.

    Example:
        >>> best(torch.tensor([[1.0, 3.0, 1.0, 1.0]]), 2)[1]
        tensor([[1, 0]])
    """
    if scores.shape[1] > WIDE * k and scores.device.type == "cpu":  # a GPU would be waited for in every line
        lines = [_best_of_wide(line, k) for line in scores]
        if lines:
            return torch.cat([line[0] for line in lines]), torch.cat([line[1] for line in lines])
    return _best(scores, k)


def above(scores: Float[Tensor, "n m"], cut: Float[Tensor, "n 1"]) -> tuple[Float[Tensor, "n _"], Int[Tensor, "n _"]]:
    """What lies above the cut of its line, in the order of the columns; groups without such are not looked into.

    Args:
        scores: Many, few of which are above the cut.
        cut: One a line.

    Returns:
        The scores and their columns, as many as the longest line has; minus infinity fills up the others.

    Example:
        >>> above(torch.tensor([[1.0, 3.0, 2.0], [0.0, 5.0, 1.0]]), torch.tensor([[1.0], [2.0]]))
        (tensor([[3., 2.],
                [5., -inf]]), tensor([[1, 2],
                [1, 0]]))
    """
    short = -scores.shape[1] % GROUP
    groups = (F.pad(scores, (0, short), value=-math.inf) if short else scores).unflatten(1, (-1, GROUP))
    line, group = (groups.amax(2) > cut).nonzero(as_tuple=True)
    cells = groups[line, group]
    entry, within = (cells > cut[line]).nonzero(as_tuple=True)
    line, column, found = line[entry], group[entry] * GROUP + within, cells[entry, within]
    return lined(line, found, len(scores), -math.inf), lined(line, column, len(scores), 0)


def lined(line: Int[Tensor, " n"], values: Shaped[Tensor, " n"], lines: int, filling: float) -> Shaped[Tensor, "m _"]:
    """Put values that come line by line into a table.

    Args:
        line: Of each value, in ascending order.
        values: Of any kind.
        lines: How many there are.
        filling: What stands behind the values of shorter lines.

    Returns:
        The table, as wide as the longest line.

    Example:
        >>> lined(torch.tensor([0, 2, 2]), torch.tensor([7, 8, 9]), lines=3, filling=-1)
        tensor([[ 7, -1],
                [-1, -1],
                [ 8,  9]])
    """
    number = torch.arange(len(line), device=line.device) - torch.searchsorted(line, line)
    width = int(number.max()) + 1 if len(number) else 0
    return values.new_full((lines, width), filling).index_put_((line, number), values)


def _best_of_wide(line: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Groups of columns first: the k best lie in groups whose largest is not below the k-th largest of these."""
    whole = len(line) // GROUP * GROUP
    largest = line[:whole].view(-1, GROUP).amax(1)
    groups = (largest >= largest.topk(k).values[-1]).nonzero()
    within = torch.arange(GROUP, device=line.device)
    rest = torch.arange(whole, len(line), device=line.device)
    columns = torch.cat([(groups * GROUP + within).flatten(), rest])
    scores, places = _best(line[columns][None], k)
    return scores, columns[places]


def _best(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    k = min(k, scores.shape[1])
    if scores.numel() <= FEW:
        ordered = scores.sort(stable=True, dim=1, descending=True)
        return ordered.values[:, :k], ordered.indices[:, :k]
    values, columns = scores.topk(min(k + 1, scores.shape[1]))
    if values.shape[1] > k:
        tied = (values[:, k - 1] == values[:, k]) & (values[:, k] > -math.inf)
        if tied.any():
            columns[tied, :k] = _lowest(scores[tied], values[tied, k - 1 : k], k)
    columns = columns[:, :k].sort(1).values
    ordered = scores.gather(1, columns).sort(stable=True, dim=1, descending=True)
    return ordered.values, columns.gather(1, ordered.indices)


def _lowest(scores: Tensor, cut: Tensor, k: int) -> Tensor:
    """The columns above the cut, and as many of the lowest columns at the cut as make k."""
    above, at = scores > cut, scores == cut
    taken = above | (at & (at.cumsum(1) <= k - above.sum(1, keepdim=True)))
    return taken.nonzero()[:, 1].view(-1, k)


def trimmed(blocks: Sequence[Hits], like: Float[Tensor, "rows width"]) -> Hits:
    """Join blocks of queries, and drop the columns that no line fills.

    Args:
        blocks: Answers, of any widths; minus infinity marks what was not found.
        like: Says where an answer to no query lies.

    Returns:
        One answer.
    """
    if not blocks:
        return Hits(torch.zeros(0, 0, dtype=torch.long, device=like.device), like.new_zeros(0, 0))
    widest = max(block.scores.shape[1] for block in blocks)
    rows, scores = blocks[0]
    if len(blocks) > 1:
        short = [(0, widest - block.scores.shape[1]) for block in blocks]
        scores = torch.cat([F.pad(block.scores, n, value=-math.inf) for block, n in zip(blocks, short, strict=True)])
        rows = torch.cat([F.pad(block.rows, n, value=-1) for block, n in zip(blocks, short, strict=True)])
    found = scores > -math.inf
    if found.all():
        return Hits(rows, scores)
    width = int(found.sum(1).max()) if widest and len(scores) else 0
    return Hits(rows.masked_fill(~found, -1)[:, :width], scores[:, :width])
