"""Losses: pure functions from scores to one number a row."""

from motet.losses.logsumexp import Dropped, logsumexp_scores
from motet.losses.pointwise import absolute, huber, squared
from motet.losses.softmax import in_batch_softmax, softmax_loss

__all__ = ["Dropped", "absolute", "huber", "in_batch_softmax", "logsumexp_scores", "softmax_loss", "squared"]
