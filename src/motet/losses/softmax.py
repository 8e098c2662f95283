"""Softmax over a pool of candidates: the loss that trains retrieval."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motet.data.batch import distinct
from motet.errors import ConfigError
from motet.losses.logsumexp import Dropped, blocks, logsumexp_scores


def softmax_loss(
    queries: Float[Tensor, "queries *heads dim"],
    candidates: Float[Tensor, "candidates dim"],
    positives: Int[Tensor, " rows"],
    *,
    query_of_row: Int[Tensor, " rows"] | None = None,
    counts: Int[Tensor, " candidates"] | None = None,
    shift: Float[Tensor, " candidates"] | None = None,
    remove_accidental_hits: bool = False,
    dropped: Dropped | None = None,
    hard_negatives: int | None = None,
) -> Float[Tensor, " rows"]:
    r"""Cross-entropy of each row's positive among a pool in which equal candidates are held once.

    $$ \ell_r = \log \sum_c n_{rc} \, e^{s_{rc}} - s_{r p_r}, \qquad s_{rc} = \max_h q_h \cdot v_c + b_c $$

    With n the counts this equals, in value and gradient, the softmax over a pool that lists every copy.

    Args:
        queries: Distinct queries; several heads a query count with their best.
        candidates: Distinct candidates.
        positives: The candidate each row chose.
        query_of_row: The query of each row; row r has query r where not given.
        counts: How often each candidate stands in the pool; once where not given.
        shift: Added to every score of a candidate, the positive's too: minus the log of its sampling probability.
        remove_accidental_hits: Count the positive once in its own row, however often it stands in the pool.
        dropped: (query, candidate) pairs that are no negatives. A row whose own positive is among them counts it once.
        hard_negatives: Keep only this many negatives a row, the highest scored.

    Returns:
        The loss of each row, at least 0 up to rounding.

    Raises:
        ConfigError: If `hard_negatives` is below 1.

    Source:
        Yi et al., "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations", RecSys 2019,
        eq. 2 to 5.

    Example:
        >>> q = torch.tensor([[1.0, 2, 3], [2, 3, 4]])
        >>> v = torch.tensor([[1.0, 1, 1], [1, 1, 0]])
        >>> softmax_loss(q, v, torch.arange(2)).sum()
        tensor(4.0667)
    """
    if hard_negatives is not None and hard_negatives < 1:
        raise ConfigError(f"hard_negatives is {hard_negatives}; it must be at least 1, or None for all negatives")
    rows = torch.arange(len(positives), device=positives.device) if query_of_row is None else query_of_row
    n = torch.ones_like(candidates[:, 0]) if counts is None else counts.to(candidates.dtype)
    b = torch.zeros_like(candidates[:, 0]) if shift is None else shift
    positive = pair_scores(queries.index_select(0, rows), candidates.index_select(0, positives)) + b[positives]
    if hard_negatives is not None:
        pool = _Pool(queries, candidates, n, b, dropped)
        copies = torch.zeros_like(positive) if remove_accidental_hits else n[positives] - 1
        negatives = pool.hardest(rows, positives, copies, hard_negatives)
        # With the positive among them the sum is never empty: that of none has no gradient.
        return torch.cat([negatives, positive[:, None]], 1).logsumexp(1) - positive
    weights = torch.bincount(rows, minlength=len(queries)).to(queries.dtype)
    total = logsumexp_scores(queries, candidates, b + n.log(), dropped=dropped, weights=weights)[rows]
    with_own = _once(total, positive, n[positives]) if remove_accidental_hits else total
    if dropped is not None:
        own_dropped = torch.isin(_pair_keys(rows, positives, len(n)), _pair_keys(*dropped, len(n)))
        with_own = torch.where(own_dropped, torch.logaddexp(total, positive), with_own)
    return with_own - positive


def in_batch_softmax(
    queries: Float[Tensor, "rows *heads dim"],
    candidates: Float[Tensor, "candidates dim"],
    *,
    temperature: float | Float[Tensor, ""] = 1.0,
    sampling_probability: Float[Tensor, " probabilities"] | None = None,
    candidate_ids: Int[Tensor, " ids"] | None = None,
    remove_accidental_hits: bool = False,
    mask: Bool[Tensor, "rows candidates"] | None = None,
    hard_negatives: int | None = None,
) -> Float[Tensor, " rows"]:
    """Row r's positive is candidate r; every other candidate, further ones at the end included, is a negative.

    The call for a `Model` with a `compute_loss` of its own; `tasks.Retrieval` adds what it knows of the ids.

    Args:
        queries: One query a row, or several heads of which the best counts.
        candidates: At least as many as there are rows; those beyond are negatives shared by all rows.
        temperature: Divides the scores.
        sampling_probability: Of each candidate; its log, clipped at 1e-6, is subtracted from the score.
        candidate_ids: Equal ids are copies of one candidate, with equal vectors and probabilities.
        remove_accidental_hits: Other copies of a row's positive are no negatives of the row; needs `candidate_ids`.
        mask: False where a candidate is no negative of a row.
        hard_negatives: Keep only this many negatives a row, the highest scored.

    Returns:
        The loss of each row.

    Raises:
        ConfigError: If there are fewer candidates than rows, `remove_accidental_hits` has no ids to go by, or there is
            not one id and one probability a candidate.

    Source:
        Yi et al., "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations", RecSys 2019.
    """
    if len(candidates) < len(queries):
        raise ConfigError(
            f"{len(queries)} queries against {len(candidates)} candidates: row r's positive is candidate r, "
            "so there must be at least one candidate a row"
        )
    if remove_accidental_hits and candidate_ids is None:
        raise ConfigError("remove_accidental_hits=True needs candidate_ids to tell which candidates are the same")
    for name, given in (("candidate_ids", candidate_ids), ("sampling_probability", sampling_probability)):
        if given is not None and len(given) != len(candidates):
            raise ConfigError(f"{len(given)} {name} for {len(candidates)} candidates; give one a candidate")
    ids = torch.arange(len(candidates), device=candidates.device) if candidate_ids is None else candidate_ids
    # A mask speaks of single copies: then every copy stays a candidate of its own.
    pool = distinct(ids if mask is None else torch.arange(len(ids), device=ids.device))
    return softmax_loss(
        queries / temperature,
        candidates[pool.first],
        pool.index[: len(queries)],
        counts=pool.counts,
        shift=None if sampling_probability is None else -sampling_probability[pool.first].clamp(1e-6, 1).log(),
        remove_accidental_hits=remove_accidental_hits,
        dropped=None if mask is None else masked_pairs(mask, ids if remove_accidental_hits else None),
        hard_negatives=hard_negatives,
    )


def masked_pairs(mask: Bool[Tensor, "rows candidates"], same: Int[Tensor, " candidates"] | None = None) -> Dropped:
    """A mask as the pairs it leaves out; the positive itself, candidate r of row r, is left to count once.

    Args:
        mask: False where a candidate is no negative of a row.
        same: Ids of the candidates; where given, the other copies of a row's positive are left out as well.

    Returns:
        Pairs sorted by row.
    """
    drop = ~mask
    if same is not None:
        drop |= same[: len(mask), None] == same
    drop.diagonal().fill_(True)
    return Dropped(*drop.nonzero(as_tuple=True))


class _Pool(NamedTuple):
    queries: Tensor
    candidates: Tensor
    counts: Tensor
    shift: Tensor
    dropped: Dropped | None

    def hardest(self, rows: Tensor, positives: Tensor, own_copies: Tensor, n: int) -> Tensor:
        """Scores of each row's n highest scored negatives, with the logs of their copies; minus infinity for others."""
        top = self._top(min(n + 1, len(self.candidates)))  # one more, for the positive may be among them
        scores = pair_scores(self.queries[:, None], self.candidates[top]) + self.shift[top]
        if self.dropped is not None:
            keys = torch.arange(len(top), device=top.device)[:, None] * len(self.counts) + top
            scores = scores.masked_fill(torch.isin(keys, _pair_keys(*self.dropped, len(self.counts))), -torch.inf)
        own = top[rows] == positives[:, None]
        copies = torch.where(own, own_copies[:, None], self.counts[top][rows])
        kept = copies.minimum((n - copies.cumsum(1) + copies).clamp(min=0))
        return scores[rows] + kept.log()

    @torch.no_grad()
    def _top(self, k: int) -> Tensor:
        """The k highest scored candidates of each query, [queries, k]."""
        top = torch.empty(len(self.queries), k, dtype=torch.long, device=self.queries.device)
        heads = self.queries.shape[1] if self.queries.dim() == 3 else 1
        for start, stop in blocks(len(self.queries), len(self.candidates) * heads, self.queries.device):
            scores = self.queries[start:stop] @ self.candidates.T
            scores = (scores.amax(1) if scores.dim() == 3 else scores) + self.shift
            if self.dropped is not None:
                scores[self.dropped.within(start, stop)] = -torch.inf
            top[start:stop] = scores.topk(k, dim=1).indices
        return top


def pair_scores(queries: Float[Tensor, "... dim"], candidates: Float[Tensor, "*pairs dim"]) -> Float[Tensor, "*pairs"]:
    """Scores of matching pairs.

    Args:
        queries: One vector a pair, or several on an axis before the last, of which the best counts.
        candidates: One vector a pair.

    Returns:
        Dot products.
    """
    if queries.dim() > candidates.dim():
        return (queries * candidates.unsqueeze(-2)).sum(-1).amax(-1)
    return (queries * candidates).sum(-1)


def _pair_keys(queries: Tensor, candidates: Tensor, width: int) -> Tensor:
    return queries * width + candidates


def _once(total: Tensor, positive: Tensor, copies: Tensor) -> Tensor:
    """Take all copies of the positive but one out of a log-sum-exp that holds them.

    The copies hold at most (copies - 1) / copies of the total, so that a remainder never loses more than a factor
    `copies` of its precision.
    """
    beyond = (copies - 1) * (positive - total).clamp(max=0).exp()
    return total + torch.log1p(-beyond.minimum((copies - 1) / copies))
