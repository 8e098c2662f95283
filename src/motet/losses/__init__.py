"""Losses: pure functions of scores that return one number per row."""

from motet.losses.binary import binary_cross_entropy, focal, focal_log_odds
from motet.losses.funnel import cumulative_log_probs, funnel_losses
from motet.losses.listwise import lambda_rank, list_mle, pairwise_hinge, pairwise_logistic
from motet.losses.logsumexp import Dropped, logsumexp_scores
from motet.losses.ordinal import cumulative_link
from motet.losses.pointwise import absolute, huber, squared
from motet.losses.softmax import in_batch_softmax, softmax_loss

__all__ = [
    "Dropped",
    "absolute",
    "binary_cross_entropy",
    "cumulative_link",
    "cumulative_log_probs",
    "focal",
    "focal_log_odds",
    "funnel_losses",
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
