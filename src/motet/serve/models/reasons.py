"""Reasons: the items of a user's history that are nearest to a recommended item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional as F

from motet.data.history import History
from motet.recommender import Recommender

NAMED = 3


class Reasons:
    """Names the items of a history that explain a recommendation, by the cosine of their vectors.

    Args:
        recommender: The trained model.
    """

    def __init__(self, recommender: Recommender) -> None:
        self.recommender = recommender

    def add(self, row: int, told: Sequence[str] | Sequence[int], items: Sequence[dict[str, Any]]) -> None:
        """Give each recommended item its `reasons`.

        Args:
            row: Row of the user; 0 if unknown.
            told: Items of the user's history beyond the training log; the model knows them all.
            items: The recommended items; each gets a list, nearest first.
        """
        recommender = self.recommender
        vocab, vectors = recommender.items.vocab, recommender.scorer.items
        history: History = recommender.fold_in.histories
        trained = history.items[history.starts[row] : history.starts[row + 1]] if row else history.items[:0]
        had = torch.cat([trained, vocab.encode(told)])
        had = had[had > 0].unique()
        if not len(had) or not items:
            for item in items:
                item["reasons"] = []
            return
        found = F.normalize(vectors[vocab.encode([item["id"] for item in items])])
        near = (found @ F.normalize(vectors[had]).T).topk(min(NAMED, len(had)))
        names = vocab.decode_list(had)
        for item, scores, places in zip(items, near.values.tolist(), near.indices.tolist(), strict=True):
            item["reasons"] = [
                {"id": names[place], "similarity": score} for place, score in zip(places, scores, strict=True)
            ]
