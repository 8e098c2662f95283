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
    """Loaded models and their shares. It never changes, so a request sees the same models from start to end.

    Args:
        plan: The models and their shares.
        models: Loaded models by name.

    Attributes:
        main: The live model with the largest share; it answers requests that are not about a user.
        shadows: Models that get copies of requests.
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
        """A lineup of one model that answers every user.

        Args:
            model: The model.

        Returns:
            The lineup.
        """
        return cls(NOTHING.changed([Wanted(model.name)], {model.name: model.version}), {model.name: model})

    def named(self, name: str | None) -> ServedModel:
        """The model that a request names.

        Args:
            name: The name in the request, if any.

        Returns:
            The model; `main` if the request names none.

        Raises:
            Problem: If no served model has this name.
        """
        if name is None:
            return self.main
        if name not in self.models:
            names = ", ".join(self.models)
            hint = did_you_mean(name, self.models)
            raise Problem(404, f"no served model is called {name!r}{hint} Models: {names}.", field="model")
        return self.models[name]

    def of(self, user: str | int) -> ServedModel:
        """The model that answers a user.

        Args:
            user: The user's id, as text or as a number.

        Returns:
            The model, the same each time.
        """
        return self._slots[draw(str(user), self._shares)]

    def divided(self, users: Sequence[str | int], name: str | None) -> list[tuple[ServedModel, list[int]]]:
        """Group users by the model that answers them.

        Args:
            users: Ids of the users.
            name: The model that the request names; it then answers all of them.

        Returns:
            Models, each with the positions of its users in `users`.

        Raises:
            Problem: If no served model has this name.
        """
        if name is not None:
            return [(self.named(name), list(range(len(users))))]
        found: dict[str, list[int]] = {}
        for place, user in enumerate(users):
            found.setdefault(self.of(user).name, []).append(place)
        return [(self.models[name], places) for name, places in found.items()]

    def describe(self) -> dict[str, Any]:
        """What is served, as in the answers of `GET /v1/model` and `POST /v1/models`.

        Returns:
            A document for JSON.
        """
        return {"generation": self.plan.generation, "models": [_line(place) for place in self.plan.places]}


def _line(place: Place) -> dict[str, Any]:
    return {"name": place.name, "version": place.version, "share": place.share, "role": place.role}
