"""Lists: what users would get from every system of a comparison, judged by the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from motet.baselines import Baseline
from motet.data.history import History
from motet.data.log import EventLog
from motet.evaluation import Report
from motet.evaluation.served import LENGTH, Demand, evidence, positives, serve
from motet.project import Divided, Project
from motet.recommender import Recommender


@dataclass(frozen=True)
class Lists:
    """The users whose lists are judged, and what they turned to.

    Attributes:
        demand: The same for every system: the rows of the tasks that retrieve in the joint model.
        train: The rows that systems are trained on.
        seen: What no system recommends to a user again.
    """

    demand: Demand
    train: EventLog
    seen: History

    @classmethod
    def of(cls, project: Project, rows: Divided) -> Self | None:
        """Those of a project.

        Args:
            project: Of the joint model.
            rows: Its rows.

        Returns:
            None where nobody can be served: the test has nothing new.
        """
        assert rows.test is not None
        system = project.product(project.model(rows.train), rows.train)
        demand = Demand.of(rows.test, rows.train, positives(None, system, rows.test), system.seen)
        return cls(demand, rows.train, system.seen) if len(demand.users) else None

    @property
    def length(self) -> int:
        """How many items a list has."""
        return min(LENGTH, self.demand.catalogue)

    def judge(self, system: Recommender | Baseline) -> Report:
        """Ask a system for the lists, and judge them.

        Args:
            system: What recommends; a rule leaves out what counts as seen in the product.

        Returns:
            Figures by `served/unseen/metric`.
        """
        if isinstance(system, Baseline):
            system.seen = self.seen
        lists = serve(system, self.demand, self.train, self.length)
        return Report.of([evidence(lists, self.demand, [self.length])])
