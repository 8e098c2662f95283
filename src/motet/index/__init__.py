"""Search for the vectors with the largest dot products."""

from __future__ import annotations

from motet.index.base import Hits, Index, TopK
from motet.index.exact import ExactIndex

__all__ = ["ExactIndex", "Hits", "Index", "TopK"]
