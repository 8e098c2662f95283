"""Tasks: the objectives of a joint model."""

from motet.tasks.base import CorpusTask, Task
from motet.tasks.bpr import BPR
from motet.tasks.catalogue import Catalogue
from motet.tasks.dot import DotTask
from motet.tasks.event import Event
from motet.tasks.funnel import Funnel
from motet.tasks.in_batch import InBatch
from motet.tasks.label import Label
from motet.tasks.listwise import Listwise
from motet.tasks.ordinal import Ordinal
from motet.tasks.pair import PairTask
from motet.tasks.pool import Pool
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
    "Label",
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
