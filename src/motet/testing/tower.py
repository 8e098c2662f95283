"""The contract of a tower."""

from __future__ import annotations

import json

import torch

from motet.data.batch import Batch
from motet.data.visitors import Visitors
from motet.testing.precision import check_precision
from motet.towers.base import Tower


def check_tower(tower: Tower, batch: Batch) -> None:
    """Check that a tower embeds rows independently and the unknown too, trains all parameters, and can be rebuilt.

    Args:
        tower: A tower; only its gradients are changed.
        batch: At least two rows with different ids, and the columns that the tower reads.

    Raises:
        AssertionError: If the tower breaks the contract.

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
    check_precision(tower, lambda each: {"the stack of vectors": each(batch)})
    tower.train(training)


def _check_rows(tower: Tower, batch: Batch) -> None:
    vectors, size = tower(batch), len(batch)
    assert vectors.shape == (size, tower.dim), (
        f"{size} rows gave {tuple(vectors.shape)}; with this dim the shape is ({size}, {tower.dim})"
    )
    assert vectors.isfinite().all(), "a vector is not finite"
    turned = tower(batch.take(torch.arange(size - 1, -1, -1)))
    assert torch.allclose(turned.flip(0), vectors, atol=1e-6), "a different order of rows changes the vectors"
    if not tower.context:
        again = tower(batch.take(torch.zeros(3, dtype=torch.int64)))
        assert torch.allclose(again, vectors[:1], atol=1e-6), (
            "equal ids have different vectors; list the columns that it reads in `context`"
        )


def _check_unknown(tower: Tower, batch: Batch) -> None:
    """Row 0, which has no features, in an event without values."""
    columns = {
        name: torch.full_like(column, float("nan") if column.is_floating_point() else 0)
        for name, column in batch.columns.items()
    }
    unknown = tower(Batch(columns, batch.user_key, batch.item_key))
    assert unknown.isfinite().all(), "the unknown entity's vector is not finite"


def _check_visitors(tower: Tower, batch: Batch) -> None:
    """Users with the features of the log get the vectors of the log."""
    key = tower.entities.key
    rows = batch[key]
    features = {name: tower.entities.features[name].take(rows) for name in tower.reads}
    twin = tower.for_visitors(Visitors(rows, features))
    same = twin(Batch({key: torch.arange(len(rows))}, batch.user_key, batch.item_key))
    own = tower(Batch({key: rows}, batch.user_key, batch.item_key))
    assert torch.allclose(same, own, atol=1e-6), (
        "`for_visitors` changes the vector of a user whose features are unchanged"
    )


def _check_twin(tower: Tower, batch: Batch) -> None:
    twin = type(tower)(tower.entities, **json.loads(json.dumps(tower.config())))
    twin.load_state_dict(tower.state_dict())
    assert torch.equal(twin.eval()(batch), tower(batch)), (
        "a tower with the same config and weights gives different vectors"
    )


def _check_gradients(tower: Tower, batch: Batch) -> None:
    tower.zero_grad()
    tower(batch).square().sum().backward()
    for name, parameter in tower.named_parameters():
        assert parameter.grad is not None or not parameter.requires_grad, f"no gradient reaches {name}"
