"""The contract of a tower."""

from __future__ import annotations

import json

import torch

from motet.data.batch import Batch
from motet.data.visitors import Visitors
from motet.towers.base import Tower


def check_tower(tower: Tower, batch: Batch) -> None:
    """Check that a tower embeds each row for itself, knows the unknown, learns with all it has, and can be rebuilt.

    Args:
        tower: An instance of the class in question; left as it was, but for its gradients.
        batch: At least two rows with different ids, with the columns the tower reads.

    Raises:
        AssertionError: If it breaks the contract.

    Example:
        >>> import polars as pl
        >>> from motet.data.entities import Entities
        >>> from motet.data.vocab import Vocab
        >>> from motet.towers import FeatureTower
        >>> users = Entities("user_id", Vocab.build(pl.Series([7, 9]), "user_id"))
        >>> check_tower(FeatureTower(users), Batch({"user_id": torch.tensor([1, 2, 1])}))
    """
    training = tower.training
    tower.eval()
    batch = Batch({name: batch[name] for name in (tower.entities.key, *tower.context)}, batch.user_key, batch.item_key)
    with torch.no_grad():
        _check_rows(tower, batch)
        _check_unknown(tower, batch)
        if tower.reads or tower.reads_history:
            _check_visitors(tower, batch)
        if type(tower).config is not Tower.config:
            _check_twin(tower, batch)
    _check_gradients(tower, batch)
    tower.train(training)


def _check_rows(tower: Tower, batch: Batch) -> None:
    vectors, size = tower(batch), len(batch)
    assert vectors.shape == (size, tower.dim), (
        f"{size} rows gave {tuple(vectors.shape)}; a tower of this dim gives ({size}, {tower.dim})"
    )
    assert vectors.isfinite().all(), "a vector is not finite"
    turned = tower(batch.take(torch.arange(size - 1, -1, -1)))
    assert torch.allclose(turned.flip(0), vectors, atol=1e-6), "rows in another order have other vectors"
    if not tower.context:
        again = tower(batch.take(torch.zeros(3, dtype=torch.int64)))
        assert torch.allclose(again, vectors[:1], atol=1e-6), (
            "equal ids have different vectors; name what it reads in `context`"
        )


def _check_unknown(tower: Tower, batch: Batch) -> None:
    """Row 0, whose features are missing, in an event of which nothing is known."""
    columns = {
        name: torch.full_like(column, float("nan") if column.is_floating_point() else 0)
        for name, column in batch.columns.items()
    }
    unknown = tower(Batch(columns, batch.user_key, batch.item_key))
    assert unknown.isfinite().all(), "the unknown entity's vector is not finite"


def _check_visitors(tower: Tower, batch: Batch) -> None:
    """Who comes as they are in the log is embedded as they are."""
    key = tower.entities.key
    rows = batch[key]
    features = {name: tower.entities.features[name].take(rows) for name in tower.reads}
    twin = tower.over(Visitors(rows, features))
    same = twin(Batch({key: torch.arange(len(rows))}, batch.user_key, batch.item_key))
    own = tower(Batch({key: rows}, batch.user_key, batch.item_key))
    assert torch.allclose(same, own, atol=1e-6), "a user of whom nothing new is told gets another vector from `over`"


def _check_twin(tower: Tower, batch: Batch) -> None:
    twin = type(tower)(tower.entities, **json.loads(json.dumps(tower.config())))
    twin.load_state_dict(tower.state_dict())
    assert torch.equal(twin.eval()(batch), tower(batch)), "a tower of the same config and weights gives other vectors"


def _check_gradients(tower: Tower, batch: Batch) -> None:
    tower.zero_grad()
    tower(batch).square().sum().backward()
    for name, parameter in tower.named_parameters():
        assert parameter.grad is not None or not parameter.requires_grad, f"no gradient reaches {name}"
