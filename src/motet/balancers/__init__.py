"""Balancers: from the losses of several tasks to one gradient."""

from motet.balancers.base import Balancer
from motet.balancers.conflict import Conflict
from motet.balancers.dynamic_weight_average import DynamicWeightAverage
from motet.balancers.fixed import Fixed
from motet.balancers.grad_norm import GradNorm
from motet.balancers.gradient import GradientBalancer
from motet.balancers.uncertainty import Uncertainty

__all__ = ["Balancer", "Conflict", "DynamicWeightAverage", "Fixed", "GradNorm", "GradientBalancer", "Uncertainty"]
