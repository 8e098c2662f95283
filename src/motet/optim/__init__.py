"""Optimizers that torch lacks, and the moving average of the weights."""

from motet.optim.adagrad import Adagrad
from motet.optim.average import WeightAverage
from motet.optim.clippy import ClippyAdagrad
from motet.optim.composite import Composite

__all__ = ["Adagrad", "ClippyAdagrad", "Composite", "WeightAverage"]
