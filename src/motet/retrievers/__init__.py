"""Retrievers: sources of candidates besides the tasks that rank the whole catalogue."""

from motet.retrievers.alike import Alike
from motet.retrievers.base import Found, Retriever
from motet.retrievers.stages import stages
from motet.retrievers.touched import Touched

__all__ = ["Alike", "Found", "Retriever", "Touched", "stages"]
