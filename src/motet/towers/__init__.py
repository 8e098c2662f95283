"""Towers: from the rows of one side of a batch to vectors. To add one, subclass `Tower`."""

from __future__ import annotations

from motet.towers.base import Tower
from motet.towers.feature import FeatureTower

__all__ = ["FeatureTower", "Tower"]
