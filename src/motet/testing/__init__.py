"""Contract tests to run on your own classes."""

from motet.testing.balancer import check_balancer
from motet.testing.baseline import check_baseline
from motet.testing.index import check_index
from motet.testing.metric import check_metric
from motet.testing.retriever import check_retriever
from motet.testing.task import check_task
from motet.testing.tower import check_tower
from motet.testing.trunk import check_trunk

__all__ = [
    "check_balancer",
    "check_baseline",
    "check_index",
    "check_metric",
    "check_retriever",
    "check_task",
    "check_tower",
    "check_trunk",
]
