"""Deployment: loads the models of the plan in force, and exchanges them while requests are being answered."""

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
from motet.serve.rollout.registry import Registry
from motet.serve.rollout.shared_arrays import SharedArrays

INTERVAL_S = 0.5  # how often a process looks whether another one has changed what is served
GIVE_BACK_S = 10.0  # between two times that memory which requests have freed is returned, which takes milliseconds
RETRY_S = 5.0  # a plan that could not be followed is tried again, for its folder may come late


class Deployment:
    """Loads what the plan in force says, changes it, and follows when another process does.

    A new model is read, checked and asked once beside those that answer. Then one assignment puts it in their place;
    requests that have begun end with the model they began with.

    Args:
        registry: Where models are.
        plans: Where the plan is kept.
        shared: Puts large arrays where other processes find them; each process keeps its own where not given.

    Raises:
        ConfigError: If a model of the plan is not there.
        ArtifactError: If one is damaged.

    Attributes:
        lineup: What answers now.
    """

    def __init__(self, registry: Registry, plans: PlanStore, *, shared: SharedArrays | None = None) -> None:
        self.registry = registry
        self.plans = plans
        self.shared = shared
        self.lineup = self._loaded(plans.newest(), {})
        self._changing = threading.Lock()
        self._stopping = threading.Event()
        self._show: Callable[[Lineup], None] = lambda _: None

    def follow(self, show: Callable[[Lineup], None]) -> None:
        """Look for changes from now on, in a thread.

        Args:
            show: Takes what answers from now on.
        """
        self._show = show
        threading.Thread(target=self._follow, name="motet-follow", daemon=True).start()

    def close(self) -> None:
        """Look no more."""
        self._stopping.set()

    def change(self, wanted: Sequence[Wanted]) -> Lineup:
        """Serve these models, here and in all processes that share the plans.

        Args:
            wanted: All models from now on.

        Returns:
            What answers now.

        Raises:
            Problem: If another change is under way, or was quicker.
            ConfigError: If the plan breaks a rule, or a model is not there.
            ArtifactError: If a model is damaged; what answered before still does.
        """
        with self._alone():
            versions = {one.name: self.registry.version(one.name) for one in wanted}
            now = self.plans.newest()
            return self._put(now, now.changed(wanted, versions))

    def roll_back(self) -> Lineup:
        """Serve what was served before the last change.

        Returns:
            What answers now.

        Raises:
            Problem: If nothing was served before, another change is under way, or was quicker.
            ConfigError: If a model is no longer there.
            ArtifactError: If a model is damaged; what answered before still does.
        """
        with self._alone():
            now = self.plans.newest()
            plan = now.rolled_back()
            if plan is None:
                raise Problem(409, "there is no earlier change to undo", code="conflict")
            return self._put(now, plan)

    def look(self) -> None:
        """Follow another process that has changed what is served, if one has."""
        if self._behind() and self._changing.acquire(blocking=False):
            try:
                if self._behind():  # and not because this process was about to put its own change in force
                    self._swap(self._loaded(self.plans.newest(), self.lineup.models))
            finally:
                self._changing.release()

    def _behind(self) -> bool:
        return self.plans.generation() != self.lineup.plan.generation

    def _follow(self) -> None:
        pause, given_back = INTERVAL_S, time.monotonic()
        while not self._stopping.wait(pause):
            if time.monotonic() > given_back + GIVE_BACK_S:
                give_back()
                given_back = time.monotonic()
            try:
                self.look()
                pause = INTERVAL_S
            except Exception as error:  # what answers still does; the next plan may be a better one
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
        """Load first: a plan that cannot be followed is not put in force."""
        lineup = self._loaded(plan, self.lineup.models)
        if plan is not now:
            self.plans.keep(plan)
        self._swap(lineup)
        return lineup

    def _loaded(self, plan: Plan, at_hand: dict[str, ServedModel]) -> Lineup:
        models = {}
        for place in plan.places:
            model = at_hand.get(place.name)
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
