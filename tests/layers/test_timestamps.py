"""Moments as vectors."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import torch

from motet.layers import TimestampEmbedding

NAN = float("nan")
MOMENT = int(datetime(1997, 9, 22, 18, 0, tzinfo=UTC).timestamp())  # a Monday


def inputs(values: torch.Tensor) -> torch.Tensor:
    """What the linear map sees: with the identity as its weights the vectors are its inputs."""
    embedding = TimestampEmbedding(8)
    embedding.weight.data = torch.eye(8)
    return embedding(values)


def test_phases_of_day_week_and_year() -> None:
    _, *cycles, missing = inputs(torch.tensor([MOMENT]))[0].tolist()
    # The week of Unix time turns on Thursday; Monday 18:00 is 4.75 days later.
    day, week = 2 * math.pi * 0.75, 2 * math.pi * 4.75 / 7
    year = 2 * math.pi * (MOMENT / 31_556_952 % 1)
    expected = [f(angle) for f in (math.sin, math.cos) for angle in (day, week, year)]
    torch.testing.assert_close(torch.tensor(cycles), torch.tensor(expected), atol=1e-5, rtol=0)
    assert missing == 0


def test_whole_seconds_and_decimals_agree_to_the_second() -> None:
    seconds = MOMENT + torch.arange(0, 86_400, 977)
    torch.testing.assert_close(inputs(seconds), inputs(seconds.double()))
    assert (inputs(seconds)[1:, 1:3] != inputs(seconds + 1)[1:, 1:3]).any(dim=1).all()


def test_unknown_moment_has_a_vector_of_its_own() -> None:
    assert inputs(torch.tensor([NAN, float(MOMENT)]))[0].tolist() == [0.0] * 7 + [1.0]


def test_age_is_standardised() -> None:
    embedding = TimestampEmbedding(8)
    embedding.weight.data = torch.eye(8)
    embedding.fit(torch.tensor([MOMENT - 86_400_000, MOMENT + 86_400_000]))
    ages = embedding(torch.tensor([MOMENT - 86_400_000, MOMENT, MOMENT + 86_400_000]))[:, 0]
    torch.testing.assert_close(ages, torch.tensor([-1.0, 0.0, 1.0]), atol=1e-4, rtol=0)
