"""Tasks: the objectives of a joint model."""

from motet.tasks.base import CorpusTask, Task
from motet.tasks.pool import Catalogue, InBatch, Pool
from motet.tasks.rating import Rating
from motet.tasks.retrieval import Retrieval

__all__ = ["Catalogue", "CorpusTask", "InBatch", "Pool", "Rating", "Retrieval", "Task"]
