"""Balancers: from the losses of several tasks to one gradient."""

from motet.balancers.base import Balancer
from motet.balancers.conflict import conflict
from motet.balancers.fixed import Fixed

__all__ = ["Balancer", "Fixed", "conflict"]
