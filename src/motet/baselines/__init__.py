"""Baselines: rules that a model has to beat, with the same calls as a `Recommender`.

Some need more packages, which are imported when they are fitted: `pip install 'motet[baselines]'`.
"""

from motet.baselines.als import ALS
from motet.baselines.base import Baseline, Recommends
from motet.baselines.bayesian_mf import BayesianMF
from motet.baselines.biased_mf import BiasedMF
from motet.baselines.bought_together import BoughtTogether
from motet.baselines.bpr import BPR
from motet.baselines.ease import EASE
from motet.baselines.global_mean import GlobalMean
from motet.baselines.item_knn import ItemKNN
from motet.baselines.popularity import Popularity
from motet.baselines.ranking import Ranking
from motet.baselines.rating import RatingBaseline
from motet.baselines.touched import Touched
from motet.baselines.user_item_bias import UserItemBias

__all__ = [
    "ALS",
    "BPR",
    "EASE",
    "Baseline",
    "BayesianMF",
    "BiasedMF",
    "BoughtTogether",
    "GlobalMean",
    "ItemKNN",
    "Popularity",
    "Ranking",
    "RatingBaseline",
    "Recommends",
    "Touched",
    "UserItemBias",
]
