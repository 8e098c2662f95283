from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import pytest
import torch
from torch import Tensor

from motet.balancers import Balancer
from motet.data.schema import Schema
from motet.early_stopping import EarlyStopping
from motet.project.kinds import SPLITS, offered
from motet.project.settings import fits, plain, settings, words
from motet.tasks import InBatch, Pool, Retrieval, Task
from motet.towers import ContextTower, Tower
from motet.train import fit
from motet.trunks import Trunk

BASES = (Task, Pool, Tower, Trunk, Balancer)
TARGETS = [kind for base in BASES for kind in offered(base).values()] + [fit, Schema, EarlyStopping, *SPLITS.values()]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.__name__)
def test_every_setting_has_a_meaning_and_words_for_its_type(target: Callable[..., object]) -> None:
    for setting in settings(target).values():
        assert setting.meaning, setting.name
        assert words(setting.hint), setting.name


def test_kinds_are_the_concrete_classes_that_motet_exports() -> None:
    assert {"Retrieval", "Rating"} <= offered(Task).keys()
    assert {"InBatch", "Catalogue"} == offered(Pool).keys()
    assert {"FeatureTower", "ContextTower"} <= offered(Tower).keys()
    assert "Fixed" in offered(Balancer)
    assert not {"Task", "CorpusTask", "Pool", "Tower"} & {name for base in BASES for name in offered(base)}
    optimizers = offered(torch.optim.Optimizer)
    assert {"Adam", "AdamW", "SGD"} <= optimizers.keys()
    assert optimizers["Adagrad"].__module__.startswith("motet.")
    assert "LBFGS" not in optimizers
    assert offered(dict) == {}


def test_settings_are_the_arguments_that_toml_can_hold() -> None:
    assert "score_mask" not in settings(InBatch)
    assert {"model", "train", "validation", "progress"}.isdisjoint(settings(fit))
    assert "entities" not in settings(ContextTower)
    assert settings(ContextTower)["context"].required
    assert settings(Retrieval)["temperature"].optional
    assert not settings(Retrieval)["pool"].optional
    assert "params" not in settings(torch.optim.Adam)


@pytest.mark.parametrize(
    ("value", "hint", "held"),
    [
        (3, int, True),
        (3, float, True),
        (True, int, False),
        (True, float, False),
        (0.5, int, False),
        ("a", Literal["a", "b"], True),
        ("c", Literal["a", "b"], False),
        ("ab", Sequence[str], False),
        (["ab"], Sequence[str], True),
        ([1, 2.5], tuple[float, float], True),
        ({"a": 1}, Mapping[str, int], True),
        ({"a": "x"}, Mapping[str, int] | None, False),
        (1, Tensor, False),
    ],
)
def test_fits(value: object, hint: object, held: bool) -> None:
    assert fits(value, hint) is held


def test_what_toml_cannot_hold_is_left_out_of_a_type() -> None:
    assert plain(bool | Tensor) is bool
    assert plain(Tensor | None) is None
    assert plain(Mapping[str, Tensor]) is None
    assert words(Sequence[float | int] | None) == "a list of numbers or whole numbers"
    assert words(Mapping[str, int] | Tensor) == "a table of whole numbers"
    assert words(Pool) == "a table of kind Catalogue or InBatch"
