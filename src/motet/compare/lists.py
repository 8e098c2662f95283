"""Lists: the lists that each system of a comparison recommends, evaluated on the same test rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from motet.baselines import Baseline
from motet.data.history import History
from motet.data.log import EventLog
from motet.evaluation import Report
from motet.evaluation.demand import Demand
from motet.evaluation.served import LENGTH, list_evidence, positives, served_lists
from motet.project import Divided, Project
from motet.recommender import Recommender


@dataclass(frozen=True)
class Lists:
    """The users whose lists are evaluated, and the items they interacted with.

    Attributes:
        demand: The positive test rows of the joint model's retrieval tasks, the same for every system.
        train: The training rows.
        seen: Items that no system recommends to a user again.
    """

    demand: Demand
    train: EventLog
    seen: History

    @classmethod
    def of(cls, project: Project, rows: Divided) -> Self | None:
        """Collect the users and items of a project.

        Args:
            project: The project of the joint model.
            rows: Its rows.

        Returns:
            The lists to ask for; None if no user has a new item in the test.
        """
        assert rows.test is not None
        system = project.product(project.model(rows.train), rows.train)
        demand = Demand.of(rows.test, rows.train, positives(None, system, rows.test), system.seen)
        return cls(demand, rows.train, system.seen) if len(demand.users) else None

    @property
    def length(self) -> int:
        """Number of items per list."""
        return min(LENGTH, self.demand.catalogue)

    def judge(self, system: Recommender | Baseline) -> Report:
        """Evaluate the lists of a system.

        Args:
            system: The system; a baseline leaves out the items that the joint model leaves out.

        Returns:
            Metrics by `served/unseen/metric`.
        """
        if isinstance(system, Baseline):
            system.seen = self.seen
        lists = served_lists(system, self.demand, self.train, self.length)
        return Report.of([list_evidence(lists.items, self.demand, [self.length])])
