"""Plain arguments are compared with the types in a signature: whatever fits passes unchanged, the rest is named."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl
import pytest
import torch

from motet import EarlyStopping, EventLog, FeatureTower, Model, Preference, Recommender, Schema, evaluate, fit, split
from motet.arguments import Checked, checked
from motet.balancers import GradNorm
from motet.baselines import ALS
from motet.errors import ConfigError
from motet.tasks import Event, InBatch, Rating, Retrieval, Rows, WithContext
from motet.towers import ContextTower
from motet.trunks import MMoE

if TYPE_CHECKING:
    from nowhere import Nothing

LOG = EventLog.read(
    pl.DataFrame({"user_id": [1, 1, 2], "item_id": [5, 6, 5], "rating": [3.0, 5.0, 4.0]}), Schema(signals=("rating",))
)


@checked
def taken(
    whole: int = 1,
    share: float = 0.5,
    *,
    name: str | None = None,
    widths: Sequence[int] = (),
    way: Literal["up", "down"] = "up",
    file: str | Path = "a",
    weights: Mapping[str, float] | None = None,
    either: int | Sequence[float] = 1,
    sure: bool = True,
    part: torch.nn.Module | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Everything as it was given."""
    return {**locals(), **more}


@pytest.mark.parametrize(
    "given",
    [
        {"whole": np.int64(3), "share": np.float32(0.5)},
        {"whole": torch.tensor(3), "share": torch.tensor(0.5)},
        {"share": 1, "name": "x", "file": Path("b"), "sure": False},
        {"widths": [1, 2]},
        {"widths": range(3)},
        {"widths": np.array([1, 2])},
        {"widths": []},
        {"weights": {"a": 1, "b": 0.5}},
        {"either": [1, 0.5]},
        {"way": "sideways"},  # which of them, the function itself knows
        {"part": "not plain, so left to the function", "unknown": ...},
    ],
    ids=str,
)
def test_what_fits_passes_unchanged(given: dict[str, Any]) -> None:
    assert all(taken(**given)[name] is value for name, value in given.items())


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"whole": "3"}, "whole='3'; it must be a whole number; write whole=3"),
        ({"whole": 3.0}, "whole=3.0; it must be a whole number; write whole=3"),
        ({"whole": 2.5}, "whole=2.5; it must be a whole number"),
        ({"whole": float("nan")}, "whole=nan; it must be a whole number"),
        ({"whole": True}, "whole=True; it must be a whole number"),
        ({"whole": None}, "whole=None; it must be a whole number"),
        ({"share": "0.5"}, "share='0.5'; it must be a number; write share=0.5"),
        ({"share": "half"}, "share='half'; it must be a number"),
        ({"name": 3}, "name=3; it must be text or None"),
        ({"widths": 64}, "widths=64; it must be a list of whole numbers; write widths=(64,)"),
        ({"widths": (64, "32")}, "widths=(64, '32'); it must be a list of whole numbers"),
        ({"widths": "64"}, "widths='64'; it must be a list of whole numbers"),
        ({"way": 1}, "way=1; it must be text"),
        ({"file": 1}, "file=1; it must be text or a path"),
        ({"weights": [1]}, "weights=[1]; it must be a mapping of numbers or None"),
        ({"weights": {"a": "1"}}, "weights={'a': '1'}; it must be a mapping of numbers or None"),
        ({"either": "1"}, "either='1'; it must be a whole number or a list of numbers; write either=1"),
        ({"sure": 1}, "sure=1; it must be true or false"),
        ({"sure": LOG}, "sure=EventLog(...); it must be true or false"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_named(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(told)}$"):
        taken(**given)


def test_by_position_as_by_name() -> None:
    with pytest.raises(ConfigError, match=r"^share='0\.5'; it must be"):
        taken(1, "0.5")  # type: ignore[arg-type]


def test_a_hint_that_only_the_type_checker_can_evaluate_switches_the_check_off() -> None:
    @checked
    def own(number: int, other: Nothing | None = None) -> object:
        return number, other

    @checked
    def another(number: int, other: torch.Nothing | None = None) -> object:  # type: ignore[name-defined]
        return number, other

    assert own("3") == another("3") == ("3", None)  # type: ignore[arg-type]


def test_a_class_derived_from_a_checked_one_is_checked() -> None:
    class Base(Checked):
        """Without a constructor of its own."""

    class Own(Base):
        """With one."""

        def __init__(self, dim: int) -> None:
            self.dim = dim

    assert Own(3).dim == 3
    with pytest.raises(ConfigError, match=r"^dim='3'; it must be a whole number; write dim=3$"):
        Own("3")  # type: ignore[arg-type]


def model(**changed: Any) -> Model:
    parts = {"user": FeatureTower(LOG.users, dim=2), "item": FeatureTower(LOG.items, dim=2), "tasks": [Retrieval()]}
    return Model(**{**parts, **changed})


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        (lambda: Rating(hidden=64), "hidden=64; it must be a list of whole numbers; write hidden=(64,)"),
        (lambda: Rating(where=3), "where=3;"),
        (lambda: Event("bought", focal="2"), "focal='2';"),
        (lambda: WithContext(Rating(), "price"), "context='price'; it must be a list of texts; write context=('price'"),
        (lambda: Rows(3), "where=3;"),
        (lambda: InBatch(hardest="3"), "hardest='3';"),
        (lambda: FeatureTower(LOG.users, dim="64"), "dim='64';"),
        (lambda: FeatureTower(LOG.users, features="age"), "features='age'; it must be a list of texts"),
        (
            lambda: ContextTower(LOG.users, context=["device"]),
            "context=['device']; it must be a mapping of whole numbers or texts; write context=context_columns(log), ",
        ),
        (lambda: MMoE(hidden=64), "hidden=64;"),
        (lambda: GradNorm(lr="1"), "lr='1';"),
        (lambda: ALS(LOG, dim="3"), "dim='3';"),
        (lambda: Preference("3"), "spread='3';"),
        (lambda: EarlyStopping("rating/rmse", patience="3"), "patience='3';"),
        (lambda: model(weights=["rating"]), "weights=['rating']; it must be a mapping of numbers"),
        (lambda: fit(model(), LOG, epochs="3"), "epochs='3';"),
        (lambda: fit(model(), LOG, batch_size=2.5), "batch_size=2.5;"),
        (lambda: fit(model(), LOG, seed="1"), "seed='1';"),
        (lambda: evaluate(model(), LOG, train=LOG, ks=10), "ks=10; it must be a list of whole numbers or None; write"),
        (lambda: Recommender(model(), LOG, seen=3), "seen=3;"),
        (lambda: Recommender(model(), LOG).recommend(1, k="5"), "k='5';"),
        (lambda: Recommender(model(), LOG).similar_items(5, "1"), "k='1';"),
        (lambda: split.leave_last_out(LOG, n="1"), "n='1';"),
    ],
)
def test_public_doors_are_checked(mistake: Callable[[], object], told: str) -> None:
    with pytest.raises(ConfigError, match="^" + re.escape(told)):
        mistake()
