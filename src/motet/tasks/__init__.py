"""Tasks: the objectives of a joint model."""

from motet.tasks.base import CorpusTask, PairTask, Task
from motet.tasks.bpr import BPR
from motet.tasks.dot import DotTask
from motet.tasks.event import Event
from motet.tasks.funnel import Funnel
from motet.tasks.listwise import Listwise
from motet.tasks.ordinal import Ordinal
from motet.tasks.pool import Catalogue, InBatch, Pool
from motet.tasks.rating import Rating
from motet.tasks.retrieval import Retrieval
from motet.tasks.rows import Rows
from motet.tasks.sampled import SampledTask
from motet.tasks.sampled_binary import SampledBinary
from motet.tasks.whole_catalogue import WholeCatalogue
from motet.tasks.with_context import WithContext

__all__ = [
    "BPR",
    "Catalogue",
    "CorpusTask",
    "DotTask",
    "Event",
    "Funnel",
    "InBatch",
    "Listwise",
    "Ordinal",
    "PairTask",
    "Pool",
    "Rating",
    "Retrieval",
    "Rows",
    "SampledBinary",
    "SampledTask",
    "Task",
    "WholeCatalogue",
    "WithContext",
]
