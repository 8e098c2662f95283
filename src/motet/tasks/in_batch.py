"""InBatch: a pool of the items in the batch, and optionally of sampled items as well."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motet.data.batch import Batch, distinct
from motet.errors import ConfigError, did_you_mean
from motet.losses.logsumexp import Dropped
from motet.losses.softmax import dropped_by_mask
from motet.tasks.pool import Candidates, Embed, Pool, Spare


class InBatch(Pool):
    r"""The items of the batch, and optionally items that are sampled from the catalogue.

    The pool holds an item as often as the batch does, so popular items are negatives in proportion to their popularity.
    In training, the log-q correction subtracts from each score the log of the item's expected share of the pool,

    $$ Q(i) = \frac{B \, p_i + \sum_e E_e \, e_i}{B + \sum_e E_e} $$

    with B rows of popularity p, and E draws from each extra distribution e. The scores then learn how likely an item
    is, instead of how much likelier it is than its popularity suggests.

    Args:
        extra: Additional negatives that the rows of a batch share: how many to draw by `"uniform"` and by
            `"popularity"`; or item rows, which are then used in every batch.
        log_q: Whether to apply the log-q correction, with the popularity in the training rows; or the popularity to
            use, one probability for each item row.
        score_mask: Takes the batch and returns [batch, batch] booleans, False where the item of one row (column) is not
            a negative of another row. It is not saved with a model, since serving does not need it.
        spare: What is not a negative of a row; see `Pool`.
        hardest: The number of negatives to keep per row, those with the highest scores; None keeps all.

    Raises:
        ConfigError: If `extra` names an unknown distribution or a negative number; or a `score_mask` comes with
            `extra`, or with `spare="batch"` or `"history"`.

    Source:
        Yi et al., "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations", RecSys 2019, eq. 3;
        Yang et al., "Mixed Negative Sampling for Learning Two-tower Neural Networks in Recommendations", WWW 2020.
    """

    popularity: Tensor
    given: Tensor | None
    probabilities: Tensor | None

    def __init__(
        self,
        *,
        extra: Mapping[str, int] | Int[Tensor, " extra"] | None = None,
        log_q: bool | Float[Tensor, " items"] = True,
        score_mask: Callable[[Batch], Bool[Tensor, "batch batch"]] | None = None,
        spare: Spare = "nothing",
        hardest: int | None = None,
    ) -> None:
        if isinstance(extra, str):
            raise ConfigError(
                f"extra={extra!r} says no number; write how many to draw, such as extra={{{extra!r}: 100}}"
            )
        super().__init__(spare=spare, hardest=hardest)
        self.draws = dict(extra) if isinstance(extra, Mapping) else {}
        for name, draws in self.draws.items():
            if name not in ("uniform", "popularity"):
                hint = did_you_mean(name, ("uniform", "popularity"))
                raise ConfigError(f"extra negatives are drawn by 'uniform' or 'popularity', not by {name!r}{hint}")
            if draws < 0:
                raise ConfigError(f"{draws} extra negatives by {name!r}; the number must not be negative")
        if score_mask is not None and (extra is not None or spare in ("batch", "history")):
            raise ConfigError(
                f"a score_mask covers only the rows of the batch: leave out extra={extra!r}, and set spare={spare!r} "
                "to 'nothing' or 'same item'"
            )
        self.score_mask = score_mask
        self.log_q = log_q is not False
        given = None if extra is None or isinstance(extra, Mapping) else torch.as_tensor(extra)
        probabilities = None if isinstance(log_q, bool) else torch.as_tensor(log_q, dtype=torch.float32)
        self.register_buffer("given", given, persistent=False)
        self.register_buffer("probabilities", probabilities, persistent=False)

    def config(self) -> dict[str, Any]:
        """The constructor's arguments by name, without item rows, probabilities and masks: only training needs them."""
        return {**super().config(), "extra": self.draws or None, "log_q": self.log_q}

    def prepare(self, positives: Batch, users: int, items: int) -> None:
        """Collect histories, and count the popularity of each item; see `Pool.prepare`.

        Args:
            positives: The training rows that are positives.
            users: The number of user rows, including the unknown user.
            items: The number of item rows, including the unknown item.

        Raises:
            ConfigError: If `log_q` is not one probability for each item row, or `extra` holds a number that is not an
                item row.
        """
        super().prepare(positives, users, items)
        self._check_given(items)
        counts = torch.bincount(positives.items, minlength=items).float()
        self.register_buffer("popularity", counts / counts.sum(), persistent=False)

    def _check_given(self, items: int) -> None:
        given, probabilities = self.given, self.probabilities
        if given is not None and len(given) and not 0 <= int(given.min()) <= int(given.max()) < items:
            raise ConfigError(
                f"extra holds item rows from {int(given.min())} to {int(given.max())}, which must lie between 0 and "
                f"{items - 1}; log.items.vocab.encode(ids) gives them"
            )
        if probabilities is not None and (
            len(probabilities) != items or not ((probabilities >= 0) & (probabilities <= 1)).all()
        ):
            raise ConfigError(
                f"log_q holds {len(probabilities):,} numbers; give a probability for each of the {items:,} item rows, "
                "the unknown included"
            )

    def draw(self, batch: Batch, item: Float[Tensor, "batch dim"], embed: Embed) -> Candidates:
        """Collect the distinct items of the batch, and draw extra ones; see `Pool.draw`."""
        own, extra = batch.distinct_items, self._extra(batch.items.device)
        if extra is None:
            pool = Candidates(own.rows, item.index_select(0, own.first), own.index, own.counts)
        elif batch.item_key in batch.apart:
            more = distinct(extra)
            rows, vectors = torch.cat([own.rows, more.rows]), torch.cat([item, embed(more.rows)])
            pool = Candidates(rows, vectors, own.index, torch.cat([own.counts, more.counts]))
        else:
            pool = _joined(extra, batch, item, embed)
        return pool._replace(log_q=self._log_share(pool.rows, len(batch)) if self.log_q else None)

    def dropped(self, batch: Batch, candidates: Candidates) -> Dropped | None:
        """The pairs of a distinct user and a candidate that are not negatives; see `Pool.dropped`.

        Args:
            batch: The rows to train on.
            candidates: The result of `draw`.

        Returns:
            Pairs sorted by user, or None.

        Raises:
            ConfigError: If the `score_mask` returns another shape than [batch, batch].
        """
        if self.score_mask is None:
            return super().dropped(batch, candidates)
        mask = self.score_mask(batch)
        if mask.shape != (len(batch), len(batch)):
            raise ConfigError(
                f"score_mask returned the shape {tuple(mask.shape)} for a batch of {len(batch)} rows; give "
                "[batch, batch] flags"
            )
        return dropped_by_mask(mask, batch.items if self.spare == "same item" else None)

    def _extra(self, device: torch.device) -> Tensor | None:
        """The item rows of the extra negatives, repeated or not; None without any."""
        rows = [] if self.given is None else [self.given]
        if uniform := self.draws.get("uniform"):
            rows.append(torch.randint(1, len(self.popularity), (uniform,), device=device))
        if popular := self.draws.get("popularity"):
            rows.append(self.popularity.multinomial(popular, replacement=True))
        return torch.cat(rows) if rows else None

    def _log_share(self, rows: Tensor, batch: int) -> Tensor:
        """Log of Q for each item row, in a pool of `batch` rows and the extra items."""
        popularity = self.popularity if self.probabilities is None else self.probabilities
        uniform, popular = self.draws.get("uniform", 0), self.draws.get("popularity", 0)
        copies = batch * popularity[rows] + popular * self.popularity[rows] + uniform / (len(self.popularity) - 1)
        if self.given is not None:
            copies = copies + torch.bincount(self.given, minlength=len(self.popularity))[rows]
        total = batch + uniform + popular + (0 if self.given is None else len(self.given))
        return (copies / total).clamp(min=torch.finfo(copies.dtype).tiny).log()


def _joined(extra: Tensor, batch: Batch, item: Tensor, embed: Embed) -> Candidates:
    """The items of the batch and the extra ones, each once."""
    pool = distinct(torch.cat([batch.items, extra]))
    outside = pool.first >= len(batch)
    vectors = item.new_empty(len(pool.rows), item.shape[1])
    vectors[~outside] = item[pool.first[~outside]]
    if outside.any():
        vectors[outside] = embed(pool.rows[outside])
    return Candidates(pool.rows, vectors, pool.index[: len(batch)], pool.counts)
