"""Trunks: what the heads of several tasks share on top of the pair of vectors."""

from motet.trunks.base import Trunk

__all__ = ["Trunk"]
