from __future__ import annotations

import math
import statistics

import torch

from motet.fusion import fuse


def reference(lines: list[list[float]], weights: list[float]) -> list[float]:
    total = [0.0] * len(lines[0])
    for scores, weight in zip(lines, weights, strict=True):
        mean, std = statistics.mean(scores), statistics.pstdev(scores)
        total = [value + weight * (score - mean) / std for value, score in zip(total, scores, strict=True)]
    return total


def test_equals_the_loop() -> None:
    scores = torch.randn(2, 3, 7, generator=torch.Generator().manual_seed(1)) * 100 + 50
    allowed = torch.ones(3, 7, dtype=torch.bool)
    fused = fuse({"a": scores[0], "b": scores[1]}, {"a": 0.3, "b": -2.0}, allowed)
    for user in range(3):
        expected = reference([scores[0, user].tolist(), scores[1, user].tolist()], [0.3, -2.0])
        torch.testing.assert_close(fused[user].tolist(), expected, rtol=1e-4, atol=1e-5)


def test_units_do_not_matter() -> None:
    scores = torch.randn(2, 9, generator=torch.Generator().manual_seed(2))
    allowed = torch.ones(2, 9, dtype=torch.bool)
    torch.testing.assert_close(
        fuse({"a": scores}, {"a": 1.0}, allowed), fuse({"a": scores * 8 + 3}, {"a": 1.0}, allowed)
    )


def test_what_is_not_allowed_changes_nothing_and_stays_last() -> None:
    scores = torch.tensor([[1.0, 2.0, 4.0, math.nan, 1e30]])
    allowed = torch.tensor([[True, True, True, False, False]])
    fused = fuse({"a": scores}, {"a": 1.0}, allowed)
    assert torch.equal(fused[:, :3], fuse({"a": scores[:, :3]}, {"a": 1.0}, allowed[:, :3]))
    assert fused[0, 3:].tolist() == [-math.inf, -math.inf]


def test_a_task_without_an_opinion_adds_nothing() -> None:
    allowed = torch.ones(1, 3, dtype=torch.bool)
    assert fuse({"a": torch.full((1, 3), 3.3)}, {"a": 5.0}, allowed).tolist() == [[0.0, 0.0, 0.0]]
    assert fuse({"a": torch.zeros(1, 3)}, {"a": 5.0}, allowed).tolist() == [[0.0, 0.0, 0.0]]
    assert fuse({"a": torch.randn(1, 3)}, {"a": 0.0}, allowed).tolist() == [[0.0, 0.0, 0.0]]
