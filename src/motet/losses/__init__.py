"""Losses: pure functions from scores to one number a row."""

from motet.losses.listwise import lambda_rank, list_mle, pairwise_hinge, pairwise_logistic
from motet.losses.logsumexp import Dropped, logsumexp_scores
from motet.losses.pointwise import absolute, huber, squared
from motet.losses.softmax import in_batch_softmax, softmax_loss

__all__ = [
    "Dropped",
    "absolute",
    "huber",
    "in_batch_softmax",
    "lambda_rank",
    "list_mle",
    "logsumexp_scores",
    "pairwise_hinge",
    "pairwise_logistic",
    "softmax_loss",
    "squared",
]
