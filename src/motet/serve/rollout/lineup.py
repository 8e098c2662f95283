"""Lineup: the loaded models, and which of them answers which user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from motet.errors import did_you_mean
from motet.serve.models.served import ServedModel
from motet.serve.problem import Problem
from motet.serve.rollout.draw import draw
from motet.serve.rollout.plan import NOTHING, Place, Plan, Wanted


class Lineup:
    """Loaded models and their shares. It never changes, so that a request sees the same one from start to end.

    Args:
        plan: Who gets what.
        models: By name.

    Attributes:
        main: The live model with the largest share, which answers what is not about a user.
        shadows: Models that are asked beside those that answer.
    """

    def __init__(self, plan: Plan, models: Mapping[str, ServedModel]) -> None:
        self.plan = plan
        self.models = dict(models)
        live = [place for place in plan.places if place.role == "live"]
        self._shares = {place.slot: place.share for place in live}
        self._slots = {place.slot: self.models[place.name] for place in live}
        self.main = self.models[max(live, key=lambda place: place.share).name]
        self.shadows = [self.models[place.name] for place in plan.places if place.role == "shadow"]

    @classmethod
    def alone(cls, model: ServedModel) -> Self:
        """One model that answers everybody.

        Args:
            model: The model.

        Returns:
            The line-up.
        """
        return cls(NOTHING.changed([Wanted(model.name)], {model.name: model.version}), {model.name: model})

    def named(self, name: str | None) -> ServedModel:
        """The model that a request names.

        Args:
            name: As the request has it.

        Returns:
            The model; `main` where the request names none.

        Raises:
            Problem: If none is called so.
        """
        if name is None:
            return self.main
        if name not in self.models:
            names = ", ".join(self.models)
            hint = did_you_mean(name, self.models)
            raise Problem(404, f"no served model is called {name!r}{hint}; models: {names}", field="model")
        return self.models[name]

    def of(self, user: str | int) -> ServedModel:
        """The model that answers a user.

        Args:
            user: The user's id, in any spelling.

        Returns:
            The model: the same each time.
        """
        return self._slots[draw(str(user), self._shares)]

    def divided(self, users: Sequence[str | int], name: str | None) -> list[tuple[ServedModel, list[int]]]:
        """Who is answered by which model.

        Args:
            users: Their ids.
            name: The model that the request names, for all of them.

        Returns:
            Models, each with the places of its users in the list.

        Raises:
            Problem: If no model is called so.
        """
        if name is not None:
            return [(self.named(name), list(range(len(users))))]
        found: dict[str, list[int]] = {}
        for place, user in enumerate(users):
            found.setdefault(self.of(user).name, []).append(place)
        return [(self.models[name], places) for name, places in found.items()]

    def describe(self) -> dict[str, Any]:
        """What is served, as `GET /v1/model` and `POST /v1/models` say it.

        Returns:
            What JSON can hold.
        """
        return {"generation": self.plan.generation, "models": [_line(place) for place in self.plan.places]}


def _line(place: Place) -> dict[str, Any]:
    return {"name": place.name, "version": place.version, "share": place.share, "role": place.role}
