"""Many trainings of one project beside each other: what a setting changes, and what one objective costs in another."""

from motet.compare.pareto import hypervolume, pareto_front

__all__ = ["hypervolume", "pareto_front"]
