"""Tasks: the objectives of a joint model."""

from motet.tasks.base import CorpusTask, PairTask, Task
from motet.tasks.event import Event
from motet.tasks.listwise import Listwise
from motet.tasks.ordinal import Ordinal
from motet.tasks.pool import Catalogue, InBatch, Pool
from motet.tasks.rating import Rating
from motet.tasks.retrieval import Retrieval
from motet.tasks.rows import Rows

__all__ = [
    "Catalogue",
    "CorpusTask",
    "Event",
    "InBatch",
    "Listwise",
    "Ordinal",
    "PairTask",
    "Pool",
    "Rating",
    "Retrieval",
    "Rows",
    "Task",
]
