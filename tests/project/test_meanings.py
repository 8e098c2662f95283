from __future__ import annotations

import pytest
import torch

from motet.early_stopping import EarlyStopping
from motet.project.kinds import SPLITS
from motet.project.meanings import meanings, summary


def explained(first: int, second: str) -> None:
    """Explain.

    Args:
        first: A meaning that goes on
            in the next line: with a colon.
        second: Another.

    Returns:
        nothing: at all
    """


def test_continued_lines_are_one_and_other_sections_none() -> None:
    assert meanings(explained) == {
        "first": "A meaning that goes on in the next line: with a colon.",
        "second": "Another.",
    }
    assert summary(explained) == "Explain."


def test_attributes_and_the_style_of_torch() -> None:
    assert meanings(EarlyStopping)["patience"].startswith("The number of epochs in a row without a new best")
    assert "learning rate" in meanings(torch.optim.AdamW)["lr"]


@pytest.mark.parametrize("target", [lambda: None, int.__add__])
def test_without_arguments_there_is_nothing(target: object) -> None:
    assert meanings(target) == {}  # type: ignore[arg-type]


@pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS)
def test_every_split_says_what_it_does(split: object) -> None:
    assert summary(split).endswith(".")  # type: ignore[arg-type]
