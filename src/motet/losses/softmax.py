"""Softmax over a pool of candidates: the loss for retrieval."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motet.data.batch import distinct
from motet.errors import ConfigError
from motet.layers.precision import widened
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
    r"""Cross-entropy of each row's positive among a pool of distinct candidates with counts.

    $$ \ell_r = \log \sum_c n_{rc} \, e^{s_{rc}} - s_{r p_r}, \qquad s_{rc} = \max_h q_h \cdot v_c + b_c $$

    With the counts n, value and gradient equal those of the softmax over a pool that lists every copy.

    Args:
        queries: Distinct queries; if a query has several heads, the best one counts.
        candidates: Distinct candidates.
        positives: The positive candidate of each row.
        query_of_row: The query of each row; query r for row r by default.
        counts: Copies of each candidate in the pool; 1 by default.
        shift: Added to every score of a candidate, also as a positive: minus the log of its sampling probability.
        remove_accidental_hits: Whether to count the positive once in its own row, regardless of its copies in the pool.
        dropped: (query, candidate) pairs that are not negatives. If a row's positive is among them, it counts once.
        hard_negatives: Number of negatives to keep per row, those with the highest scores; all by default.

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
    queries, candidates = widened(queries), widened(candidates)
    rows = torch.arange(len(positives), device=positives.device) if query_of_row is None else query_of_row
    n = torch.ones_like(candidates[:, 0]) if counts is None else counts.to(candidates.dtype)
    b = torch.zeros_like(candidates[:, 0]) if shift is None else shift
    positive = pair_scores(queries.index_select(0, rows), candidates.index_select(0, positives)) + b[positives]
    if hard_negatives is not None:
        pool = _Pool(queries, candidates, n, b, dropped)
        copies = torch.zeros_like(positive) if remove_accidental_hits else n[positives] - 1
        negatives = pool.hardest(rows, positives, copies, hard_negatives)
        # With the positive the sum is never empty; an empty one has no gradient.
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
    mask: Bool[Tensor, "mask_rows mask_candidates"] | None = None,
    hard_negatives: int | None = None,
) -> Float[Tensor, " rows"]:
    """In-batch softmax: the positive of row r is candidate r; all other candidates are negatives.

    For a `Model` with its own `compute_loss`; `tasks.Retrieval` passes ids and probabilities by itself.

    Args:
        queries: One query per row, or several heads, of which the best counts.
        candidates: At least one per row; further candidates are negatives of all rows.
        temperature: Divides the scores.
        sampling_probability: Of each candidate; its log is subtracted from the score, after clipping at 1e-6.
        candidate_ids: Equal ids are copies of one candidate, with equal vectors and probabilities.
        remove_accidental_hits: Whether to exclude other copies of a row's positive from its negatives; needs
            `candidate_ids`.
        mask: False where a candidate is not a negative of a row.
        hard_negatives: Number of negatives to keep per row, those with the highest scores; all by default.

    Returns:
        The loss of each row.

    Raises:
        ConfigError: If there are fewer candidates than rows, `remove_accidental_hits` is set without ids, ids or
            probabilities are not one per candidate, or the mask is not one flag per row and candidate.

    Source:
        Yi et al., "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations", RecSys 2019.
    """
    if len(candidates) < len(queries):
        raise ConfigError(
            f"{len(queries)} queries against {len(candidates)} candidates: row r's positive is candidate r, "
            "so there must be at least one candidate per row"
        )
    if remove_accidental_hits and candidate_ids is None:
        raise ConfigError("remove_accidental_hits=True needs candidate_ids to tell which candidates are the same")
    for name, given in (("candidate_ids", candidate_ids), ("sampling_probability", sampling_probability)):
        if given is not None and len(given) != len(candidates):
            raise ConfigError(f"{len(given)} {name} for {len(candidates)} candidates; give one per candidate")
    if mask is not None and mask.shape != (len(queries), len(candidates)):
        raise ConfigError(
            f"a mask of shape {tuple(mask.shape)} for {len(queries)} queries and {len(candidates)} candidates; give "
            "one flag per pair"
        )
    ids = torch.arange(len(candidates), device=candidates.device) if candidate_ids is None else candidate_ids
    # A mask refers to single copies, so with a mask every copy is a candidate of its own.
    pool = distinct(ids if mask is None else torch.arange(len(ids), device=ids.device))
    return softmax_loss(
        queries / temperature,
        candidates[pool.first],
        pool.index[: len(queries)],
        counts=pool.counts,
        shift=None if sampling_probability is None else -sampling_probability[pool.first].clamp(1e-6, 1).log(),
        remove_accidental_hits=remove_accidental_hits,
        dropped=None if mask is None else dropped_by_mask(mask, ids if remove_accidental_hits else None),
        hard_negatives=hard_negatives,
    )


def dropped_by_mask(mask: Bool[Tensor, "rows candidates"], same: Int[Tensor, " candidates"] | None = None) -> Dropped:
    """Convert a mask to dropped pairs. They include the positive of each row, which the softmax adds back once.

    Args:
        mask: False where a candidate is not a negative of a row.
        same: Ids of the candidates; if given, other copies of a row's positive are dropped too.

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
        """The n highest scores of each row's negatives, plus the logs of their counts; minus infinity for others."""
        top = self._top(min(n + 1, len(self.candidates)))  # one more, because the positive may be among them
        scores = pair_scores(self.queries[:, None], self.candidates[top]) + self.shift[top]
        if self.dropped is not None:
            keys = torch.arange(len(top), device=top.device)[:, None] * len(self.counts) + top
            scores = scores.masked_fill(torch.isin(keys, _pair_keys(*self.dropped, len(self.counts))), -torch.inf)
        own = top[rows] == positives[:, None]
        copies = torch.where(own, own_copies[:, None], self.counts[top][rows])
        better = copies.cumsum(1) - copies  # copies of the candidates before; those that fit into n are kept
        kept = copies.minimum((n - better).clamp(min=0))
        return scores[rows] + kept.log()

    @torch.no_grad()
    def _top(self, k: int) -> Tensor:
        """The k candidates with the highest scores of each query, [queries, k]."""
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
        queries: One vector per pair, or several on an axis before the last, of which the best counts.
        candidates: One vector per pair.

    Returns:
        Dot products.
    """
    if queries.dim() > candidates.dim():
        return (queries * candidates.unsqueeze(-2)).sum(-1).amax(-1)
    return (queries * candidates).sum(-1)


def _pair_keys(queries: Tensor, candidates: Tensor, width: int) -> Tensor:
    return queries * width + candidates


def _once(total: Tensor, positive: Tensor, copies: Tensor) -> Tensor:
    """Remove all copies of the positive but one from a log-sum-exp.

    The removed copies make up at most (copies - 1) / copies of the total, so the remainder loses at most a factor
    `copies` of its precision.
    """
    beyond = (copies - 1) * (positive - total).clamp(max=0).exp()
    return total + torch.log1p(-beyond.minimum((copies - 1) / copies))
