from __future__ import annotations

import math

import numpy as np
import torch

from motet.index import TopK


def test_each_cuts_the_filling() -> None:
    ids = np.array([[7, 3], [5, None], [None, None]], dtype=object)
    scores = torch.tensor([[2.0, 1.0], [3.0, -math.inf], [-math.inf, -math.inf]])
    tasks = {"rating": torch.tensor([[4.0, 5.0], [3.0, math.nan], [math.nan, math.nan]])}
    first, second, third = TopK(ids, scores, tasks, np.array(["known", "known", "popularity"], dtype=object)).each()
    assert first.ids.tolist() == [7, 3]
    assert second.ids.tolist() == [5]
    assert second.tasks["rating"].tolist() == [3.0]
    assert second.scores.tolist() == [3.0]
    assert len(third.ids) == 0
    assert not third.known


def test_one_user_is_one_answer() -> None:
    top = TopK(np.array(["a"], dtype=object), torch.tensor([1.0]))
    assert list(top.each()) == [top]
    assert top.known


def test_prints_as_aligned_columns() -> None:
    top = TopK(np.array([[10, 9], [7, None]], dtype=object), torch.tensor([[2.5, -1.0], [0.0, -math.inf]]))
    assert str(top) == "id   score\n10   2.500\n 9  -1.000\n\nid  score\n 7  0.000"


def test_a_task_called_score_hides_no_score() -> None:
    """Such a task made the score that the items are ordered by disappear."""
    top = TopK(np.array(["a"], dtype=object), torch.tensor([2.5]), {"score": torch.tensor([7.0])})
    assert str(top) == "id  fused score  score\n a        2.500  7.000"
