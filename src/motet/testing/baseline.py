"""The contract of a baseline."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product

import polars as pl
import torch

from motet.baselines import Baseline
from motet.data.log import EventLog
from motet.data.schema import Schema


def check_baseline(build: Callable[[EventLog], Baseline], *, seed: int = 0) -> None:
    """Check that a baseline applies filters, returns k items in order of score, and answers unknown users.

    Args:
        build: Fits the baseline to a log of users, items and ratings (`rating`).
        seed: Seed of the log.

    Raises:
        AssertionError: If the baseline breaks the contract.

    Example:
        >>> from motet.baselines import Popularity
        >>> check_baseline(Popularity)
    """
    draw = partial(torch.randint, generator=torch.Generator().manual_seed(seed))
    users, items = draw(8, (60,)).tolist(), draw(20, (60,)).tolist()
    events = pl.DataFrame({"user_id": users, "item_id": items, "rating": draw(1, 6, (60,)).tolist()})
    baseline = build(EventLog.read(events, Schema(signals=("rating",))))
    catalogue, people = sorted(set(items)), [*sorted(set(users)), 99]
    for k, exclude_seen, exclude, only in product(
        (1, len(catalogue)), (True, False), ([], catalogue[:3]), (None, catalogue[2:9])
    ):
        filters = {"exclude_seen": exclude_seen, "exclude": exclude, "only": only}
        many = baseline.recommend(people, k, **filters)
        for user, line in zip(people, many.each(), strict=True):
            seen = {item for who, item in zip(users, items, strict=True) if who == user and exclude_seen}
            allowed = set(catalogue if only is None else only) - set(exclude) - seen
            found = list(line.ids)
            assert set(found) <= allowed, (
                f"user {user} got {found}, of which {set(found) - allowed} should be filtered out"
            )
            assert len(set(found)) == min(k, len(allowed)), (
                f"user {user} got {found}; {len(allowed)} items are allowed, k={k}"
            )
            assert line.scores.diff().le(0).all(), (
                f"the scores of user {user} are not in descending order: {line.scores}"
            )
            alone = baseline.recommend(user, k, **filters)
            assert list(alone.ids) == found, f"user {user} gets {found} among other users but {list(alone.ids)} alone"
    _check_scores(baseline, people, catalogue)


def _check_scores(baseline: Baseline, people: list[int], catalogue: list[int]) -> None:
    """Pairs, blocks and recommendations have the same scores."""
    user_rows, item_rows = baseline.users.vocab.encode(people), baseline.items.vocab.encode(catalogue)
    block = baseline.scores(user_rows[:, None], item_rows)
    assert block.shape == (len(people), len(catalogue)), f"a block of scores has shape {tuple(block.shape)}"
    assert block.isfinite().all(), "a score is not finite"
    for user, scores in zip(people, block, strict=True):
        pairs = baseline.predict(user, catalogue)[baseline.name]
        assert torch.allclose(pairs, scores), f"`predict` and `scores` differ for user {user}: {pairs} and {scores}"
        top = baseline.recommend(user, len(catalogue), exclude_seen=False)
        assert torch.allclose(top.scores, scores.sort(descending=True).values), (
            f"user {user} does not get the best items"
        )
