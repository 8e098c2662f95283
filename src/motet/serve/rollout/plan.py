"""Plan: which models a service should have, and their shares; plain data that can be stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, NamedTuple, Self

from motet.errors import ConfigError

Role = Literal["live", "shadow"]
KEPT = 10  # earlier lineups that can be rolled back to
SLACK = 1e-6  # shares written as decimals add up to 1 only up to rounding


class Wanted(NamedTuple):
    """A model to serve; without a share it gets an equal part of what the others leave."""

    name: str
    share: float | None = None
    role: Role = "live"


@dataclass(frozen=True)
class Place:
    """One model of a plan.

    Attributes:
        name: Name of the model in requests.
        version: Version of the saved model.
        share: Share of the users, from 0 to 1; a model with share 0 answers only requests that name it.
        role: A shadow gets copies of the requests to live models; its answers are compared with theirs and dropped.
        slot: Users are assigned to slots, so a model that replaces another takes over its users; -1 for shadows.
    """

    name: str
    version: str
    share: float
    role: Role
    slot: int


@dataclass(frozen=True)
class Plan:
    """All models of a service.

    Attributes:
        generation: Number of changes so far.
        places: The models.
        before: The earlier lineups, latest first.
    """

    generation: int
    places: tuple[Place, ...]
    before: tuple[tuple[Place, ...], ...] = ()

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read what `document` returned.

        Args:
            document: Parsed JSON.

        Returns:
            The plan.
        """
        places, *before = (tuple(Place(**place) for place in line) for line in document["models"])
        return cls(document["generation"], places, tuple(before))

    def document(self) -> dict[str, Any]:
        """The plan as a document for JSON.

        Returns:
            What `from_document` reads.
        """
        lines = [self.places, *self.before]
        return {"generation": self.generation, "models": [[asdict(place) for place in line] for line in lines]}

    def changed(self, wanted: Sequence[Wanted], versions: Mapping[str, str]) -> Self:
        """The plan that serves other models, or the same models with other shares.

        Models that stay keep their users as far as their shares allow; new ones take the slots of those that leave.

        Args:
            wanted: All models to serve.
            versions: Version of each model, by name.

        Returns:
            The next plan; this one if nothing changes.

        Raises:
            ConfigError: If the names or the shares break a rule.
        """
        shares = divide(wanted)
        old = {place.name: place.slot for place in self.places if place.role == "live"}
        live = [one.name for one in wanted if one.role == "live"]
        slots = {name: old[name] for name in live if name in old}
        for name in live:
            if name not in slots:
                slots[name] = next(slot for slot in range(len(wanted)) if slot not in slots.values())
        places = tuple(
            Place(one.name, versions[one.name], shares[one.name], one.role, slots.get(one.name, -1)) for one in wanted
        )
        if places == self.places:
            return self
        before = (self.places, *self.before)[:KEPT] if self.places else self.before
        return replace(self, generation=self.generation + 1, places=places, before=before)

    def rolled_back(self) -> Self | None:
        """The plan that undoes the last change.

        Returns:
            The next plan; None if there is no earlier one.
        """
        if not self.before:
            return None
        return replace(self, generation=self.generation + 1, places=self.before[0], before=self.before[1:])


NOTHING = Plan(0, ())


def divide(wanted: Iterable[Wanted]) -> dict[str, float]:
    """The share of the users that each model gets.

    Args:
        wanted: The models.

    Returns:
        Shares by name, which add up to 1; shadows have 0.

    Raises:
        ConfigError: If two models have the same name, none is live, a shadow has a share, or the shares do not add up
            to 1.

    Example:
        >>> divide([Wanted("new", 0.1), Wanted("old"), Wanted("next", role="shadow")])
        {'new': 0.1, 'old': 0.9, 'next': 0.0}
    """
    wanted = list(wanted)
    names = [one.name for one in wanted]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"two models are called {name!r}; rename the folder of one")
    for one in wanted:
        if one.share is not None and not 0 <= one.share <= 1:
            raise ConfigError(f"the share of {one.name!r} is {one.share:g}; it must be between 0 and 1")
        if one.role == "shadow" and one.share:
            raise ConfigError(f"{one.name!r} is a shadow and cannot have a share ({one.share:g}); leave the share out")
    live = [one for one in wanted if one.role == "live"]
    given = sum(one.share for one in live if one.share is not None)
    free = sum(one.share is None for one in live)
    if not live:
        raise ConfigError("all models are shadows; at least one must be live")
    if given > 1 + SLACK or (not free and given < 1 - SLACK):
        raise ConfigError(f"the shares add up to {given:g} instead of 1; leave one out, and that model gets the rest")
    rest = round(max(0.0, 1 - given), 12) / max(free, 1)
    shares = {one.name: rest if one.share is None else one.share for one in live}
    return {name: shares.get(name, 0.0) for name in names}
