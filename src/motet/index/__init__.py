"""Search for the vectors with the largest dot products."""

from __future__ import annotations

from motet.index.approximate import ApproximateIndex
from motet.index.base import Hits, Index, TopK
from motet.index.exact import ExactIndex
from motet.index.stored import load, save

__all__ = ["ApproximateIndex", "ExactIndex", "Hits", "Index", "TopK", "load", "save"]
