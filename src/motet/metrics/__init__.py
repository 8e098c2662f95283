"""Metrics. To add one, subclass `PointMetric`, `ListMetric` or `CorpusMetric`."""

from __future__ import annotations

from motet.metrics.auc import AUC
from motet.metrics.base import CorpusMetric, ListMetric, Metric, PointMetric
from motet.metrics.calibration import ECE, expected_calibration_error
from motet.metrics.diversity import Attributes, intra_list_diversity
from motet.metrics.exposure import coverage, exposures, gini
from motet.metrics.list_ndcg import ListNDCG
from motet.metrics.log_loss import LogLoss
from motet.metrics.map import MAP
from motet.metrics.mrr import MRR
from motet.metrics.ndcg import NDCG
from motet.metrics.novelty import novelty, popularity, popularity_lift
from motet.metrics.precision import Precision
from motet.metrics.ranks import BothRanks, Ties, both_ranks, ranks
from motet.metrics.recall import Recall
from motet.metrics.regression import MAE, RMSE
from motet.metrics.reliability import ReliabilityCurve, reliability_curve
from motet.metrics.scorers import Dot, Pairs
from motet.metrics.topk import FactorizedTopK, HitRate

__all__ = [
    "AUC",
    "ECE",
    "MAE",
    "MAP",
    "MRR",
    "NDCG",
    "RMSE",
    "Attributes",
    "BothRanks",
    "CorpusMetric",
    "Dot",
    "FactorizedTopK",
    "HitRate",
    "ListMetric",
    "ListNDCG",
    "LogLoss",
    "Metric",
    "Pairs",
    "PointMetric",
    "Precision",
    "Recall",
    "ReliabilityCurve",
    "Ties",
    "both_ranks",
    "coverage",
    "expected_calibration_error",
    "exposures",
    "gini",
    "intra_list_diversity",
    "novelty",
    "popularity",
    "popularity_lift",
    "ranks",
    "reliability_curve",
]
