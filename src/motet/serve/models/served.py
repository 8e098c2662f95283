"""ServedModel: answers requests with a recommender; ids may be text or numbers, and answers are ready for JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import polars as pl
import torch
from torch import Tensor

from motet.artifact.folder import located
from motet.artifact.saved import REPORT
from motet.data.lookup import Chosen
from motet.errors import ArtifactError, MotetError
from motet.export.card import read_card
from motet.fusion import fusion_weights
from motet.index import TopK
from motet.recommender import Recommender
from motet.serve.bodies import Asker, RecommendBody, ScoreBody, SimilarBody
from motet.serve.events.event import Had
from motet.serve.models.catalogue import Catalogue
from motet.serve.models.filters import condition
from motet.serve.models.reasons import Reasons
from motet.serve.models.spelling import name_users, sort_out
from motet.serve.models.stored import Stored, as_histories, known_items
from motet.serve.models.version import version_of
from motet.serve.problem import Problem


class ServedModel:
    """One model of a service.

    Args:
        recommender: The trained model.
        name: Name of the model in requests.
        version: Changes whenever the model does.
        report: The HTML report of its training, if there is one.
        card: Its model card.
    """

    def __init__(
        self,
        recommender: Recommender,
        *,
        name: str = "model",
        version: str = "0",
        report: str | None = None,
        card: Mapping[str, Any] | None = None,
    ) -> None:
        self.recommender = recommender
        self.name = name
        self.version = version
        self.report = report
        self.card = dict(card or {})
        self.catalogue = Catalogue(recommender)
        self._reasons = Reasons(recommender)

    @classmethod
    def load(cls, path: str | Path, *, name: str | None = None) -> Self:
        """Load a saved model.

        Args:
            path: The folder of the model.
            name: Name of the model in requests; if not given, that of the folder.

        Returns:
            The model.

        Raises:
            ArtifactError: If the folder is damaged, incomplete, changed, from a newer motet, or replaced meanwhile.
            ConfigError: If a class of the model is not one of motet's.
        """
        path = Path(path)
        version = version_of(path)
        recommender = Recommender.load(path)
        folder = located(path)
        report = folder / REPORT
        model = cls(
            recommender,
            name=name or path.resolve().name,
            version=version,
            report=report.read_text(encoding="utf-8", errors="replace") if report.exists() else None,
            card=read_card(recommender, folder),
        )
        if version_of(path) != version:
            raise ArtifactError(f"{str(path)!r} was replaced while it was loaded; load it again")
        return model

    @cached_property
    def label(self) -> dict[str, str]:
        """Name and version, as every answer carries them."""
        return {"name": self.name, "version": self.version}

    @torch.inference_mode()
    def recommend(self, asked: RecommendBody, stored: Stored) -> dict[str, Any]:
        """Answer `POST /v1/recommend`.

        Args:
            asked: The body.
            stored: What users had by the events stored since training, the newest first.

        Returns:
            What JSON can hold.

        Raises:
            Problem: If a filter names no column of the item table, or the question breaks another rule of the model.
        """
        items = self.recommender.items
        self._check_weights(asked.preference, asked.by)
        exclude, unknown = sort_out(items.vocab, asked.exclude)
        ignored = {"exclude": unknown, "only": [], "history": sort_out(items.vocab, asked.history)[1]}
        users = name_users(self.recommender.users.vocab, asked.asking)
        had = self._had(asked, asked.asking, users, stored)
        where = condition(items.table, asked.where)
        only: Chosen | None = where
        if asked.only is not None:
            named, ignored["only"] = sort_out(items.vocab, asked.only)
            only = named if where is None else where & pl.col(items.key).is_in(named)
        with _blaming("features" if asked.features else None):
            top = self.recommender.recommend(
                users,
                min(asked.k, len(items) - 1),
                exclude=exclude,
                only=only,
                exclude_seen=asked.exclude_seen,
                candidates=asked.candidates,
                by=asked.by,
                preference=asked.preference,
                features=asked.features,
                histories=self._told(had),
            )
        results: list[dict[str, Any]] = [
            {
                "user": asking,
                "model": self.label,
                "known": bool(line.known),
                "basis": str(line.basis),
                "items": _items(line),
            }
            for asking, line in zip(asked.asking, top.each(), strict=True)
        ]
        if asked.reasons:
            rows = self.recommender.users.vocab.encode(users).tolist()
            for user, row, result in zip(users, rows, results, strict=True):
                self._reasons.add(row, [each.item for each in had.get(user, ())], result["items"])
        return {"model": self.label, "results": results, "ignored": ignored}

    @torch.inference_mode()
    def score(self, asked: ScoreBody, stored: Stored) -> dict[str, Any]:
        """Answer `POST /v1/score`.

        Args:
            asked: The body.
            stored: As in `recommend`.

        Returns:
            What JSON can hold.

        Raises:
            Problem: If an item is unknown, or the question breaks another rule of the model.
        """
        items = self._known("items", asked.items)
        users = name_users(self.recommender.users.vocab, [asked.user])
        self._check_weights(asked.preference)
        with _blaming("features" if asked.features else None):
            scores = self.recommender.predict(
                users[0],
                items,
                preference=asked.preference,
                features=asked.features,
                histories=self._told(self._had(asked, [asked.user], users, stored)),
            )
        rows = zip(asked.items, _lines(scores, len(items)), strict=True)
        known = bool(self.recommender.scorer.known[self.recommender.users.vocab.encode(users)].all())
        return {
            "model": self.label,
            "user": asked.user,
            "known": known,
            "items": [{"id": id, "tasks": tasks} for id, tasks in rows],
        }

    def similar(self, asked: SimilarBody) -> dict[str, Any]:
        """Answer `POST /v1/similar`.

        Args:
            asked: The body.

        Returns:
            What JSON can hold.

        Raises:
            Problem: If the item or user is unknown.
        """
        recommender = self.recommender
        side, field = (recommender.items, "item") if asked.user is None else (recommender.users, "user")
        ids = self._known(field, [asked.item if asked.user is None else asked.user])  # type: ignore[list-item]
        k = min(asked.k, len(side) - 2)
        find = recommender.similar_items if field == "item" else recommender.similar_users
        found = _items(find(ids[0], k)) if k else []
        return {"model": self.label, "items": [{"id": item["id"], "score": item["score"]} for item in found]}

    def warm(self) -> None:
        """Answer one request for a user of each kind, so that lazily computed values are ready for real requests."""
        users, items = self.recommender.users.vocab.ids, self.recommender.items.vocab.ids
        for user in ("nobody", *users[:1]):
            for told in ([], items[:1].to_list()):
                # Not checked: a model may have ids that are longer than those of requests.
                self.recommend(RecommendBody.model_construct(user=user, history=told), {})

    def describe(self) -> dict[str, Any]:
        """What the model is, for `GET /v1/model`.

        Returns:
            What JSON can hold.
        """
        model, by = self.recommender.model, self.recommender.by
        tasks = [
            {"name": name, "unit": task.unit.name, "range": task.unit.ends, "weight": by[name]}
            for name, task in model.tasks.items()
        ]
        return {
            **self.label,
            "tasks": tasks,
            "preference": model.preference is not None,
            "items": len(self.recommender.items) - 1,
            "users": len(self.recommender.users) - 1,
            "card": self.card,
            "report": self.report is not None,
        }

    def _had(
        self, asked: Asker, asking: Sequence[str | int], users: Sequence[str] | Sequence[int], stored: Stored
    ) -> dict[Any, list[Had]]:
        """What users had since training and according to the request, oldest first, by ids of the model."""
        log = self.recommender.log
        return {
            user: known_items(log, stored.get(str(name), ()), asked.history)
            for name, user in zip(asking, users, strict=True)
        }

    def _check_weights(self, preference: Mapping[str, float] | None, by: Mapping[str, float] | None = None) -> None:
        with _blaming("preference"):
            self.recommender.model.prefer(preference)
        with _blaming("by"):
            if by is not None:
                fusion_weights(by, self.recommender.model.tasks)

    def _told(self, had: Mapping[Any, Sequence[Had]]) -> object:
        return as_histories(self.recommender.log, self.recommender.retrieval.seen, had)

    def _known(self, field: str, ids: Sequence[str | int]) -> list[str] | list[int]:
        side = self.recommender.users if field == "user" else self.recommender.items
        known, unknown = sort_out(side.vocab, ids)
        if unknown:
            raise Problem(
                404, f"{side.key} {unknown[0]!r} is not among the {len(side) - 1:,} the model knows", field=field
            )
        return known


@contextmanager
def _blaming(field: str | None) -> Iterator[None]:
    """Name the field of the body whose value breaks a rule."""
    try:
        yield
    except MotetError as error:
        raise Problem(422, str(error), field=field) from error


def _items(top: TopK) -> list[dict[str, Any]]:
    ids = top.ids.tolist()
    rows = zip(ids, top.scores.tolist(), _lines(top.tasks, len(ids)), strict=True)
    return [{"id": id, "score": _finite(score), "tasks": tasks} for id, score, tasks in rows]


def _lines(scores: Mapping[str, Tensor], size: int) -> list[dict[str, float | None]]:
    columns = {name: part.tolist() for name, part in scores.items()}
    return [{name: _finite(column[place]) for name, column in columns.items()} for place in range(size)]


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
