"""Described: what items are, so that it can be said how much those of a list differ."""

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
    """What recommends by a model whose tasks can be judged on their own: a `Recommender`."""

    model: Model

    @property
    def seen(self) -> History:
        """The items that each user row needs no recommendation of."""

    @property
    def retrieves(self) -> Sequence[str]:
        """The tasks that find candidates."""


class Described(NamedTuple):
    """What items are, for the diversity of a list, and in which words to say so."""

    items: Attributes
    by: str


def describe(system: object, train: EventLog) -> Described | None:
    """What the items of lists are compared by: what is declared of them, else the vectors of the system's model.

    Args:
        system: What recommends.
        train: Its training log.

    Returns:
        One value of a categorical or multi-valued feature weighs as much as another; None where the items have no such
        feature, and the system no vectors.
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
    """All values that items have, those of each feature in columns of their own."""
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
