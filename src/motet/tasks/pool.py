"""Pool: the items that a row's positive competes with in the softmax."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from motet.data.batch import Batch, distinct
from motet.data.history import History
from motet.errors import ConfigError, did_you_mean
from motet.losses.logsumexp import Dropped
from motet.losses.softmax import masked_pairs

Spare = Literal["nothing", "same item", "batch", "history"]
Embed = Callable[[Int[Tensor, " n"]], Float[Tensor, "n dim"]]


class Candidates(NamedTuple):
    """The distinct items of a pool; if each row of the batch has an item vector of its own, one entry a row."""

    rows: Int[Tensor, " candidates"]  # item rows, ascending unless batch rows have vectors of their own
    vectors: Float[Tensor, "candidates dim"]
    positives: Int[Tensor, " batch"]  # the position of each batch row's item among them
    counts: Int[Tensor, " candidates"]  # how many copies of each the pool holds
    log_q: Float[Tensor, " candidates"] | None = None  # log of the share of the pool expected to be this item


class Pool(nn.Module, ABC):
    """Provides the candidates of a batch, and the ones that are not negatives for a user.

    Args:
        spare: What is left out of a row's negatives: `"nothing"`; other copies of the `"same item"` (accidental hits);
            the user's positives in the `"batch"`; or those in the whole training `"history"`. Each includes the ones
            before it.
        hardest: Keep only this many negatives a row, those with the highest scores; None keeps all.

    Raises:
        ConfigError: If `spare` is none of these or `hardest` is below 1.
    """

    def __init__(self, *, spare: Spare = "nothing", hardest: int | None = None) -> None:
        super().__init__()
        if spare not in get_args(Spare):
            raise ConfigError(
                f"spare={spare!r} is not one of {', '.join(map(repr, get_args(Spare)))}"
                f"{did_you_mean(spare, get_args(Spare))}"
            )
        if hardest is not None and hardest < 1:
            raise ConfigError(f"hardest={hardest} negatives; it must be at least 1, or None for all")
        self.spare = spare
        self.hardest = hardest

    def config(self) -> dict[str, Any]:
        """The constructor's arguments by name, as far as they can be saved with a model."""
        return {"spare": self.spare, "hardest": self.hardest}

    @abstractmethod
    def draw(self, batch: Batch, item: Float[Tensor, "batch dim"], embed: Embed) -> Candidates:
        """The pool of one batch.

        Args:
            batch: The rows being trained on.
            item: Their item vectors.
            embed: Item rows to vectors, for items outside the batch.

        Returns:
            Distinct candidates, among them every positive.
        """

    def prepare(self, positives: Batch, users: int, items: int) -> None:
        """Read the training positives: each user's history.

        Args:
            positives: The training rows that are positives.
            users: The number of user rows, the unknown included.
            items: The number of item rows, the unknown included.
        """
        if self.spare == "history":
            self.history = History.of(positives, users, items)

    def dropped(self, batch: Batch, candidates: Candidates) -> Dropped | None:
        """The pairs of distinct user and candidate that are not negatives.

        Args:
            batch: The rows being trained on.
            candidates: The result of `draw`.

        Returns:
            Pairs sorted by user; None if only the row's own item can be spared, which the pool holds once.
        """
        users, apart = batch.distinct_users, batch.item_key in batch.apart
        if self.spare == "nothing" or (self.spare == "same item" and not apart):
            return None
        who, items = users.index, batch.items
        if self.spare == "history":
            self.history = self.history.to(items.device)
            found = self.history.of_users(users.rows)
            who, items = torch.cat([who, found[0]]), torch.cat([items, found[1]])
        elif self.spare == "batch" and batch.user_key in batch.apart:
            who, items = _of_equal_users(batch)
        who, columns = _columns(candidates.rows, who, items, ascending=not apart)
        pairs = (who * len(candidates.rows) + columns).unique()
        return Dropped(pairs // len(candidates.rows), pairs % len(candidates.rows))


def _of_equal_users(batch: Batch) -> tuple[Tensor, Tensor]:
    """For every row the items of all rows of its user: positions of rows, and the items."""
    each = distinct(batch.users)
    items = batch.items[each.index.argsort(stable=True)]
    return History(torch.cat([each.counts.new_zeros(1), each.counts.cumsum(0)]), items).of_users(each.index)


def _columns(candidates: Tensor, who: Tensor, items: Tensor, *, ascending: bool) -> tuple[Tensor, Tensor]:
    """The positions of the items in the pool; several each if batch rows have candidates of their own."""
    order = torch.arange(len(candidates), device=candidates.device) if ascending else candidates.argsort(stable=True)
    ordered = candidates[order]
    first, last = torch.searchsorted(ordered, items), torch.searchsorted(ordered, items, right=True)
    which = torch.repeat_interleave(last - first)
    within = torch.arange(len(which), device=which.device) - torch.searchsorted(which, which)
    return who[which], order[first[which] + within]


class Catalogue(Pool):
    """Every item of the catalogue, once: nothing is sampled, so nothing has to be corrected.

    The cost of a step grows with the catalogue; up to about 100,000 items it is often the best choice.

    Args:
        spare: What is left out of a row's negatives; see `Pool`.
        hardest: Keep only this many negatives a row; None keeps all.
    """

    def draw(self, batch: Batch, item: Float[Tensor, "batch dim"], embed: Embed) -> Candidates:
        """All items.

        Args:
            batch: The rows being trained on.
            item: Not used: all items are embedded together.
            embed: Item rows to vectors.

        Returns:
            The items in the order of their rows, the unknown first.
        """
        rows = torch.arange(self.items, device=item.device)
        return Candidates(rows, embed(rows), batch.items, torch.ones_like(rows))

    def prepare(self, positives: Batch, users: int, items: int) -> None:
        """Read the training positives; see `Pool.prepare`.

        Args:
            positives: The training rows that are positives.
            users: The number of user rows, the unknown included.
            items: The number of item rows, the unknown included.
        """
        super().prepare(positives, users, items)
        self.items = items


class InBatch(Pool):
    r"""The items of the batch's rows, and optionally sampled ones as well.

    An item is in the pool as often as in the batch, so popular items are negatives in proportion to their popularity.
    The log-q correction subtracts the log of that share from every score in training. The scores then learn how likely
    an item is, instead of how much likelier it is than its popularity suggests.

    $$ Q(i) = \frac{B \, p_i + \sum_e E_e \, e_i}{B + \sum_e E_e} $$

    with B rows of popularity p and E draws of each extra distribution e.

    Args:
        extra: Additional negatives of each batch, shared by its rows: how many to draw by `"uniform"` and by
            `"popularity"`, or the item rows themselves.
        log_q: Whether to correct for popularity, counted on the training rows; or, for each item row, the
            probability that a training row has this item.
        score_mask: Takes the batch and returns [batch, batch] booleans, False where the item of one row (column) is not
            a negative for another row. Not saved with a model, since serving does not need it.
        spare: What is left out of a row's negatives; see `Pool`.
        hardest: Keep only this many negatives a row; None keeps all.

    Raises:
        ConfigError: If `extra` names an unknown distribution or a negative number, or a `score_mask` comes with
            `extra`, or with a `spare` that looks beyond single rows.

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
        """The constructor's arguments by name, without rows, probabilities and masks: only training needs these."""
        return {**super().config(), "extra": self.draws or None, "log_q": self.log_q}

    def prepare(self, positives: Batch, users: int, items: int) -> None:
        """Read the training positives: the popularity of each item.

        Args:
            positives: The training rows that are positives.
            users: The number of user rows, the unknown included.
            items: The number of item rows, the unknown included.

        Raises:
            ConfigError: If `log_q` is not one probability for each item row, or `extra` holds something else than item
                rows.
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
        """The batch's distinct items, and the extra ones.

        Args:
            batch: The rows being trained on.
            item: Their item vectors.
            embed: Item rows to vectors, for extra items outside the batch.

        Returns:
            Distinct candidates.
        """
        own = batch.distinct_items
        extra = self._extra(batch.items.device)
        if extra is None:
            pool = Candidates(own.rows, item.index_select(0, own.first), own.index, own.counts)
        elif batch.item_key in batch.apart:
            more = distinct(extra)
            rows, vectors = torch.cat([own.rows, more.rows]), torch.cat([item, embed(more.rows)])
            pool = Candidates(rows, vectors, own.index, torch.cat([own.counts, more.counts]))
        else:
            pool = self._with(extra, batch, item, embed)
        return pool._replace(log_q=self._log_share(pool.rows, len(batch)) if self.log_q else None)

    def dropped(self, batch: Batch, candidates: Candidates) -> Dropped | None:
        """The pairs of distinct user and candidate that are not negatives.

        Args:
            batch: The rows being trained on.
            candidates: The result of `draw`.

        Returns:
            Pairs sorted by user, or None if only the row's own item can be spared.

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
        return masked_pairs(mask, batch.items if self.spare == "same item" else None)

    def _with(self, extra: Tensor, batch: Batch, item: Tensor, embed: Embed) -> Candidates:
        """The items of the batch and the extra ones, each once."""
        everything = distinct(torch.cat([batch.items, extra]))
        outside = everything.first >= len(batch)
        vectors = item.new_empty(len(everything.rows), item.shape[1])
        vectors[~outside] = item[everything.first[~outside]]
        if outside.any():
            vectors[outside] = embed(everything.rows[outside])
        return Candidates(everything.rows, vectors, everything.index[: len(batch)], everything.counts)

    def _extra(self, device: torch.device) -> Tensor | None:
        rows = [] if self.given is None else [self.given]
        if uniform := self.draws.get("uniform"):
            rows.append(torch.randint(1, len(self.popularity), (uniform,), device=device))
        if popular := self.draws.get("popularity"):
            rows.append(self.popularity.multinomial(popular, replacement=True))
        return torch.cat(rows) if rows else None

    def _log_share(self, rows: Tensor, batch: int) -> Tensor:
        """Log of the expected share of each item row in the pool."""
        popularity = self.popularity if self.probabilities is None else self.probabilities
        uniform, popular = self.draws.get("uniform", 0), self.draws.get("popularity", 0)
        copies = batch * popularity[rows] + popular * self.popularity[rows] + uniform / (len(self.popularity) - 1)
        if self.given is not None:
            copies = copies + torch.bincount(self.given, minlength=len(self.popularity))[rows]
        total = batch + uniform + popular + (0 if self.given is None else len(self.given))
        return (copies / total).clamp(min=torch.finfo(copies.dtype).tiny).log()
