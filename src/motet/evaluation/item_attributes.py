"""ItemAttributes: what the diversity of a list is measured by, the features of its items or their vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from motet.data.entities import Bag, Codes
from motet.data.log import EventLog
from motet.data.schema import Categorical, MultiValued
from motet.evaluation.two_stage import TwoStage
from motet.metrics.diversity import Attributes


class ItemAttributes(NamedTuple):
    """The attributes of all items, and a name for them in notes."""

    items: Attributes
    name: str


def item_attributes(system: object, train: EventLog) -> ItemAttributes | None:
    """Choose the attributes for the diversity of lists: the items' categorical features, or else their vectors.

    Args:
        system: The system that recommends; if it has a model, the model's item tower gives the vectors.
        train: The training log, whose items may have features.

    Returns:
        Attributes in which every value of a categorical or multi-valued feature has the same weight; None if the items
        have no such feature and the system has no item vectors.
    """
    names = [name for name, kind in train.items.kinds.items() if isinstance(kind, Categorical | MultiValued)]
    if names:
        return ItemAttributes(_features(train, names), f"the items' {', '.join(names)}")
    if isinstance(system, TwoStage) and not system.model.item.context:
        device = next(system.model.parameters(), torch.zeros(())).device
        rows = torch.arange(len(train.items), device=device)
        with torch.no_grad():
            vectors = system.model.item(train.batch().entities(train.items.key, rows)).cpu()
        vectors[0] = 0
        return ItemAttributes(Attributes.dense(vectors), "the item vectors of the model, which no other model shares")
    return None


def _features(train: EventLog, names: Sequence[str]) -> Attributes:
    """The values of all items, with a column for each value of each feature."""
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
