"""Deployment: loads the models of the plan in force, and swaps them while requests are being answered."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from motet.heap import give_back
from motet.serve.log import log_event
from motet.serve.models.served import ServedModel
from motet.serve.problem import Problem
from motet.serve.rollout.lineup import Lineup
from motet.serve.rollout.plan import Plan, Wanted
from motet.serve.rollout.plan_store import PlanStore
from motet.serve.rollout.registry import Registry, UnknownModelError
from motet.serve.rollout.shared_arrays import SharedArrays

INTERVAL_S = 0.5  # between looks for a change made by another process
GIVE_BACK_S = 10.0  # between returns of freed memory to the system, each of which takes milliseconds
RETRY_S = 5.0  # before a plan that could not be loaded is tried again: its folder may still be on the way


class Deployment:
    """Loads the plan in force, changes it, and follows changes made by other processes.

    A new model is loaded, checked and warmed up beside those that answer. A single assignment then swaps the lineup;
    requests in progress finish with the model they started with.

    Args:
        registry: Finds models by name.
        plans: Stores the plan.
        shared: Shares large arrays between processes; without it, each process has its own.

    Raises:
        ConfigError: If a model of the plan is missing.
        ArtifactError: If a model of the plan is damaged.

    Attributes:
        lineup: The models that answer now.
    """

    def __init__(self, registry: Registry, plans: PlanStore, *, shared: SharedArrays | None = None) -> None:
        self.registry = registry
        self.plans = plans
        self.shared = shared
        self.lineup = self._load(plans.newest(), {})
        self._changing = threading.Lock()
        self._stopping = threading.Event()
        self._show: Callable[[Lineup], None] = lambda _: None

    def follow(self, show: Callable[[Lineup], None]) -> None:
        """Watch for changes from now on, in a thread.

        Args:
            show: Called with each new lineup.
        """
        self._show = show
        threading.Thread(target=self._follow, name="motet-follow", daemon=True).start()

    def close(self) -> None:
        """Stop watching."""
        self._stopping.set()

    def change(self, wanted: Sequence[Wanted]) -> Lineup:
        """Serve these models, here and in all processes that share the plans.

        Args:
            wanted: All models to serve.

        Returns:
            The new lineup.

        Raises:
            Problem: If a model does not exist, or another change is in progress or was made first.
            ConfigError: If the plan breaks a rule.
            ArtifactError: If a model is damaged; the previous lineup keeps answering.
        """
        with self._alone():
            versions = {one.name: self._version(one.name, f"models.{place}.name") for place, one in enumerate(wanted)}
            now = self._in_force()
            return self._put(now, now.changed(wanted, versions))

    def roll_back(self) -> Lineup:
        """Serve what was served before the last change.

        Returns:
            The new lineup.

        Raises:
            Problem: If there is no earlier plan, or another change is in progress or was made first.
            ConfigError: If a model is no longer there.
            ArtifactError: If a model is damaged; the previous lineup keeps answering.
        """
        with self._alone():
            now = self._in_force()
            plan = now.rolled_back()
            if plan is None:
                raise Problem(409, "there is no earlier change to undo", code="conflict")
            return self._put(now, plan)

    def look(self) -> None:
        """Load the plan in force if another process has changed it."""
        if self._behind() and self._changing.acquire(blocking=False):
            try:
                if self._behind():  # and not just because this process was storing its own change
                    self._swap(self._load(self._in_force(), self.lineup.models))
            finally:
                self._changing.release()

    def _version(self, name: str, field: str) -> str:
        try:
            return self.registry.version(name)
        except UnknownModelError as error:
            raise Problem(404, str(error), field=field) from error

    def _behind(self) -> bool:
        return self.plans.generation() > self.lineup.plan.generation

    def _in_force(self) -> Plan:
        """The stored plan; the one being served if somebody has deleted the files."""
        return max(self.plans.newest(), self.lineup.plan, key=lambda plan: plan.generation)

    def _follow(self) -> None:
        pause, given_back = INTERVAL_S, time.monotonic()
        while not self._stopping.wait(pause):
            if time.monotonic() > given_back + GIVE_BACK_S:
                give_back()
                given_back = time.monotonic()
            try:
                self.look()
                pause = INTERVAL_S
            except Exception as error:  # the current lineup keeps answering, and the next plan may be a better one
                log_event("models", followed=False, reason=str(error))
                pause = RETRY_S

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._changing.acquire(timeout=INTERVAL_S):
            raise Problem(409, "another change is loading models; check /v1/model, and try again", code="conflict")
        try:
            yield
        finally:
            self._changing.release()

    def _put(self, now: Plan, plan: Plan) -> Lineup:
        """Load before storing, so that no plan is put in force that cannot be loaded."""
        lineup = self._load(plan, self.lineup.models)
        if plan is not now:
            self.plans.keep(plan)
        self._swap(lineup)
        return lineup

    def _load(self, plan: Plan, loaded: dict[str, ServedModel]) -> Lineup:
        models = {}
        for place in plan.places:
            model = loaded.get(place.name)
            if model is None or model.version != place.version:
                model = self.registry.load(place.name, place.version)
                model.warm()
                if self.shared is not None:
                    self.shared.share(model)
                give_back()
            models[place.name] = model
        return Lineup(plan, models)

    def _swap(self, lineup: Lineup) -> None:
        self.lineup = lineup
        self._show(lineup)
        if self.shared is not None:
            self.shared.sweep(lineup.models.values())
        log_event("models", followed=True, **lineup.describe())
