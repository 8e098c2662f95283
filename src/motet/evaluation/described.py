"""Described: attributes of the items, for the diversity of lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import torch

from motet.baselines.base import Recommends
from motet.data.entities import Bag, Codes
from motet.data.history import History
from motet.data.log import EventLog
from motet.data.schema import Categorical, MultiValued
from motet.metrics.diversity import Attributes
from motet.model import Model


@runtime_checkable
class TwoStage(Recommends, Protocol):
    """A system that recommends with a model whose tasks can be measured on their own: a `Recommender`."""

    model: Model

    @property
    def seen(self) -> History:
        """The items of each user row that are not recommended again."""

    @property
    def retrieves(self) -> Sequence[str]:
        """The tasks that find candidates."""


class Described(NamedTuple):
    """Attributes of the items, and a name for them in notes."""

    items: Attributes
    by: str


def describe(system: object, train: EventLog) -> Described | None:
    """The attributes by which items are compared: their declared features, else the vectors of the system's model.

    Args:
        system: The system that recommends.
        train: Its training log.

    Returns:
        Attributes in which every value of a categorical or multi-valued feature has the same weight; None if the items
        have no such feature and the system has no vectors.
    """
    names = [name for name, kind in train.items.kinds.items() if isinstance(kind, Categorical | MultiValued)]
    if names:
        return Described(_features(train, names), f"the items' {', '.join(names)}")
    if isinstance(system, TwoStage) and not system.model.item.context:
        device = next(system.model.parameters(), torch.zeros(())).device
        rows = torch.arange(len(train.items), device=device)
        with torch.no_grad():
            vectors = system.model.item(train.batch().entities(train.items.key, rows)).cpu()
        vectors[0] = 0
        return Described(Attributes.dense(vectors), "the item vectors of the model, which no other model shares")
    return None


def _features(train: EventLog, names: Sequence[str]) -> Attributes:
    """The values of all items, with separate columns for each feature."""
    rows, columns, first = [], [], 0
    for name in names:
        match train.items.features[name]:
            case Codes(codes, vocab):
                own, values = torch.arange(len(codes)), codes
            case Bag(values, offsets, vocab):
                own = torch.repeat_interleave(offsets.diff())
            case other:
                raise AssertionError(f"{name!r} is {other}, and neither categorical nor multi-valued")
        rows.append(own[values > 0])
        columns.append(first + values[values > 0])
        first += len(vocab)
    return Attributes.of(torch.cat(rows), torch.cat(columns), size=len(train.items))
