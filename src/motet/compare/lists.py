"""Lists: what users would get from every system of a comparison, judged by the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from motet.baselines import Recommends
from motet.data.log import EventLog
from motet.evaluation import Report
from motet.evaluation.served import LENGTH, Demand, evidence, positives, serve
from motet.model import Model
from motet.project import Divided, Project, product


@dataclass(frozen=True)
class Lists:
    """The users whose lists are judged, and what they turned to.

    Attributes:
        demand: The same for every system: the rows of the task that retrieves in the joint model.
        train: The rows that systems are trained on.
    """

    demand: Demand
    train: EventLog

    @classmethod
    def of(cls, project: Project, rows: Divided) -> Self | None:
        """Those of a project.

        Args:
            project: Of the joint model.
            rows: Its rows.

        Returns:
            None where nobody can be served: the towers read the context of a request, or the test has nothing new.
        """
        assert rows.test is not None
        system = product(project.model(rows.train), rows.train)
        if isinstance(system, Model):
            return None
        demand = Demand.of(rows.test, rows.train, positives(None, system, rows.test))
        return cls(demand, rows.train) if len(demand.users) else None

    @property
    def length(self) -> int:
        """How many items a list has."""
        return min(LENGTH, self.demand.catalogue)

    def judge(self, system: Recommends) -> Report:
        """Ask a system for the lists, and judge them.

        Args:
            system: What recommends.

        Returns:
            Figures by `served/unseen/metric`.
        """
        lists = serve(system, self.demand, self.train, self.length)
        return Report.of([evidence(lists, self.demand, [self.length])])
