"""Many trainings of one project compared: joint against single tasks, settings, and trade-offs between objectives."""

from motet.compare.compare import compare
from motet.compare.comparison import Comparison
from motet.compare.pareto import hypervolume, pareto_front
from motet.compare.sweep import choose, sweep
from motet.compare.sweep_result import Sweep
from motet.compare.tune import Tuned, tune

__all__ = ["Comparison", "Sweep", "Tuned", "choose", "compare", "hypervolume", "pareto_front", "sweep", "tune"]
