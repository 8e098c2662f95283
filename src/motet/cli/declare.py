"""From the options of `motet train` to the tables that a project file would have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from motet.cli.parse import as_weights
from motet.data.schema import KINDS
from motet.errors import ConfigError, did_you_mean

Tables = dict[str, Any]
Options = Mapping[str, Any]


def nothing_beside(options: Options) -> None:
    """Refuse training options next to a project file, where they would be ignored.

    Args:
        options: The options given.

    Raises:
        ConfigError: If there are any.
    """
    for name in options:
        raise ConfigError(
            f"--{name.replace('_', '-')} cannot be combined with a project file; change the file, or one setting with "
            "--set TABLE.KEY=VALUE, as in --set training.epochs=3"
        )


def tables(events: Path, options: Options) -> Tables:
    """The tables of a project file that is equivalent to the options.

    Args:
        events: The log.
        options: The options given, by name.

    Returns:
        Tables like those of parsed TOML.

    Raises:
        ConfigError: If a feature has no kind or an unknown one, or a weight is not a number.
    """
    training = {name: options[name] for name in ("epochs", "batch_size", "seed") if name in options}
    return {
        "data": {"events": str(events), **{name: str(options[name]) for name in ("users", "items") if name in options}},
        "schema": _schema(options),
        **_model(options),
        "training": {**training, "optimizer": {"kind": "Adam", "lr": options.get("lr", 0.01)}},
    }


def _schema(options: Options) -> Tables:
    return {
        **{name: options[name] for name in ("user", "item", "time") if name in options},
        "signals": [options["rating"]] if "rating" in options else [],
        "user_features": _features(options.get("user_feature", [])),
        "item_features": _features(options.get("item_feature", [])),
    }


def _model(options: Options) -> Tables:
    """A model of retrieval and, if there is a rating column, of the rating."""
    tower = {"kind": "FeatureTower", "dim": options.get("dim", 32)}
    tasks: list[Tables] = [{"kind": "Retrieval", "name": "retrieval", "item_bias": True}]
    weights = as_weights(options.get("weight", []))
    if "rating" in options:
        head = {"hidden": [64], "product": True, "biases": True, "dropout": 0.2}
        tasks.append({"kind": "Rating", "label": options["rating"], **head})
        weights = {"retrieval": 10.0, **weights}  # a softmax needs some 10 to pull as hard as a squared error
    return {"towers": {"user": tower, "item": dict(tower)}, "tasks": tasks, "weights": weights}


def _features(texts: Sequence[str]) -> dict[str, str]:
    features: dict[str, str] = {}
    for text in texts:
        column, _, kind = text.rpartition("=")
        if not column or kind not in KINDS:
            hint = did_you_mean(kind, KINDS) if column else "."
            raise ConfigError(
                f"feature {text!r} has no known kind{hint} Write COLUMN=KIND, as in year=numeric. "
                f"Kinds: {', '.join(KINDS)}."
            )
        features[column] = KINDS[kind].__name__
    return features
