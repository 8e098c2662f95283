"""From the options of `motet train` to a schema and a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import torch
from torch import nn

from motet.data.log import EventLog
from motet.data.schema import KINDS, Feature, Schema
from motet.errors import ConfigError, did_you_mean
from motet.model import Model
from motet.tasks import Rating, Retrieval, Task
from motet.towers import FeatureTower


def schema(
    user: str,
    item: str,
    *,
    time: str | None,
    rating: str | None,
    user_features: Sequence[str],
    item_features: Sequence[str],
) -> Schema:
    """The columns that the options name.

    Args:
        user: Column of user ids.
        item: Column of item ids.
        time: Column of moments.
        rating: Column of the number to predict.
        user_features: Each as `column=kind`.
        item_features: Likewise.

    Returns:
        The schema.

    Raises:
        ConfigError: If a feature has no kind or one that does not exist.
    """
    return Schema(
        user=user,
        item=item,
        time=time,
        signals=() if rating is None else (rating,),
        user_features=_features(user_features),
        item_features=_features(item_features),
    )


def model(log: EventLog, *, rating: str | None, dim: int, weights: Mapping[str, float], seed: int) -> Model:
    """One joint model of retrieval and, where there is a rating, of that.

    Args:
        log: What it will be trained on.
        rating: Column of the number to predict.
        dim: Width of the vectors.
        weights: What each task's loss counts for; a softmax needs some 10 to pull as hard as a squared error.
        seed: Of the first weights.

    Returns:
        The model, untrained.
    """
    tasks: list[Task] = [Retrieval(item_bias=True)]
    if rating is not None:
        tasks.append(Rating(rating, hidden=(64,), product=True, biases=True, dropout=0.2))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Model(
            user=FeatureTower(log.users, dim=dim),
            item=FeatureTower(log.items, dim=dim),
            tasks=tasks,
            weights={tasks[0].name: 10.0, **weights} if rating is not None else weights,
        )


def adam(lr: float) -> Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]:
    """What makes the optimizer.

    Args:
        lr: Learning rate.

    Returns:
        A factory that `fit` gives the parameters.
    """
    return partial(torch.optim.Adam, lr=lr)


def _features(texts: Sequence[str]) -> dict[str, Feature]:
    features: dict[str, Feature] = {}
    for text in texts:
        column, _, kind = text.rpartition("=")
        if not column or kind not in KINDS:
            hint = did_you_mean(kind, KINDS) if column else ""
            raise ConfigError(
                f"feature {text!r} does not say what it is{hint}; write COLUMN=KIND, as in year=numeric. "
                f"Kinds: {', '.join(KINDS)}"
            )
        features[column] = KINDS[kind]()
    return features
