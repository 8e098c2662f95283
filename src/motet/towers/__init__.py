"""Towers: from the rows of one side of a batch to vectors. To add one, subclass `Tower`."""

from __future__ import annotations

from motet.towers.base import Tower
from motet.towers.content import ContentTower
from motet.towers.context import ContextTower, context_columns
from motet.towers.feature import FeatureTower
from motet.towers.field import FieldTower
from motet.towers.hashed import HashedTower
from motet.towers.history import HistoryTower
from motet.towers.pretrained import PretrainedTower, aligned, read_vectors
from motet.towers.sequence import SequenceTower
from motet.towers.vectors import Vectors

__all__ = [
    "ContentTower",
    "ContextTower",
    "FeatureTower",
    "FieldTower",
    "HashedTower",
    "HistoryTower",
    "PretrainedTower",
    "SequenceTower",
    "Tower",
    "Vectors",
    "aligned",
    "context_columns",
    "read_vectors",
]
