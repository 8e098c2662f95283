"""The average of the weights."""

from __future__ import annotations

import pytest
from torch import nn

from motet.errors import ConfigError
from motet.optim import WeightAverage


def test_the_average_follows_and_swaps_back() -> None:
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(0.0)
    average = WeightAverage(model, decay=0.5)
    expected = 0.0
    for step, value in enumerate((1.0, 2.0, 3.0)):
        model.weight.data.fill_(value)
        average.update()
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    average.swap()
    assert model.weight.item() == pytest.approx(expected)
    average.swap()
    assert model.weight.item() == 3


def test_errors() -> None:
    with pytest.raises(ConfigError, match=r"decay=1.0; the decay of an average must be in \[0, 1\)"):
        WeightAverage(nn.Linear(1, 1), decay=1.0)
