"""Baselines: rules that a model has to beat, with the same calls as a `Recommender`."""

from motet.baselines.base import Baseline, Recommends
from motet.baselines.global_mean import GlobalMean
from motet.baselines.popularity import Popularity

__all__ = ["Baseline", "GlobalMean", "Popularity", "Recommends"]
