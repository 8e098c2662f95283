"""Recommender: retrieve, filter, rank, fuse; and what else a trained model can be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from motet.artifact import saved
from motet.artifact.folder import unmixed
from motet.artifact.reading import reading
from motet.artifact.vectors import Vectors
from motet.data.entities import Entities
from motet.data.history import History
from motet.data.log import EventLog
from motet.data.lookup import Chosen, Ids, chosen_rows, known_rows, listed
from motet.data.pair_features import PairFeatures
from motet.data.recent import recent_like
from motet.errors import ArtifactError, ConfigError, did_you_mean
from motet.fold_in import FoldIn
from motet.heap import give_back
from motet.index import ApproximateIndex, ExactIndex, TopK
from motet.index.cosine import Cosine
from motet.mapped import let_go
from motet.model import Model
from motet.ranker import Ranker, Ranking, Request
from motet.retrievers import Retriever, stages
from motet.retrievers.saved import FILE as RETRIEVAL
from motet.retrievers.saved import Retrieval, files, read
from motet.scorer import OtherVectorsError, Scorer

NUMBERS: tuple[type[Any], ...] = (int, float, np.number)
LARGEST = 1e30  # weight of a task: with it a score of any size is still a number


class Recommender:
    """A trained model as a product: ids in, ids out.

    It holds the vectors of all items, so build it after training, and again after further training.

    Args:
        model: A trained model; it is put in evaluation mode.
        log: The training log: its items can be recommended, and its rows are what users have seen.
        index: Finds the candidates; by default an exact index. `motet index` adds one to a saved model.
        by: The default weight of each task's scores in recommendations, 0 for a task that is not named. By default the
            model's weights, which are those of its losses.
        seen: The rows of the log that exclude an item from a user's recommendations, such as `"event == 'buy'"` if
            items that were only viewed may be recommended. By default all rows. Events of a request count as seen
            unless this condition rules them out.
        retrieve: The sources of candidates, stage by stage: the name of a task that ranks the catalogue, a
            `retrievers.Touched` or `Alike`, or a list of these as one stage. Items from an earlier stage come first.
            By default the first trained task that ranks the catalogue; without one, every item is a candidate.
        context: The columns that `WithContext` tasks read of a user with an item: the counts of `log`.
        vectors: The vectors of all items, if they were kept with the model; by default its tower makes them.

    Raises:
        ConfigError: If the model has no task, a tower or a task needs context that a request does not have, the index
            is not of the model's items, `by` names something else than a task or gives all tasks weight 0, or
            `retrieve` breaks a rule.
        DataError: If the log numbers users or items differently from the model.
    """

    def __init__(
        self,
        model: Model,
        log: EventLog,
        *,
        index: ExactIndex | ApproximateIndex | None = None,
        by: Mapping[str, float] | None = None,
        seen: str | None = None,
        retrieve: Sequence[str | Retriever | Sequence[str | Retriever]] | None = None,
        context: PairFeatures | None = None,
        vectors: Vectors | None = None,
    ) -> None:
        self.model = model
        self.log = log
        self.users = log.users
        self.items = log.items
        self.retrieval = Retrieval(seen, context, () if retrieve is None else stages(retrieve, model))
        self.scorer = Scorer(model, log, context=context, vectors=vectors)
        self.ranker = Ranker(self.scorer, index, stages=self.retrieval.stages)
        self.fold_in = FoldIn(self.scorer, log, seen=seen)
        for retriever in self.ranker.retrievers:
            retriever.prepare(log)
        self._index = index
        self._by: dict[str, float] | None = None
        if by is not None:
            self.by = by

    @property
    def by(self) -> dict[str, float]:
        """The default weight of each task's scores in recommendations; assign a mapping to change it."""
        return self.model.weights if self._by is None else {name: self._by.get(name, 0.0) for name in self.model.tasks}

    @by.setter
    def by(self, by: Mapping[str, float]) -> None:
        self._by = self._checked(by)

    @property
    def seen(self) -> History:
        """The items that each user has seen, and that are not recommended again."""
        return self.fold_in.seen

    @property
    def retrieves(self) -> list[str]:
        """The tasks that find candidates; none if every item is a candidate."""
        named = [source for stage in self.retrieval.stages for source in stage if isinstance(source, str)]
        corpus = self.scorer.corpus
        return named or ([] if corpus is None else [corpus.name])

    def recommend(
        self,
        users: Ids,
        k: int = 10,
        *,
        exclude_seen: bool = True,
        exclude: Chosen = (),
        only: Chosen | None = None,
        candidates: int = 500,
        by: Mapping[str, float] | None = None,
        preference: Mapping[str, float] | None = None,
        features: object = None,
        histories: object = None,
    ) -> TopK:
        """The k items that the tasks together rank first for each user.

        The sources of `Recommender(retrieve=...)` find candidates. All tasks score them, and `fuse` adds the scores up,
        unless a source has an order of its own. A user of whom neither training nor this request knows anything gets
        the items with the most training events, scored by that number.

        Args:
            users: One id, for a 1-D answer, or many, for a 2-D one.
            k: The number of items.
            exclude_seen: Whether to leave out the items that the user has seen: in the rows that
                `Recommender(seen=...)` selects, and in `histories`, except events that this condition rules out.
            exclude: Items that must not be recommended to anyone: ids, or a condition on the item table.
            only: Items that may be recommended, such as `pl.col("price") < 20`; by default all.
            candidates: The number of items that each source retrieves for the tasks to rank, at least k. More is slower
                and comes closer to ranking the whole catalogue; 500 costs milliseconds.
            by: The weight of each task's scores in this call, 0 for a task that is not named. By default the
                preference, or else `Recommender.by`.
            preference: The weighting that a model with a `Preference` answers by, as if it had been trained with it; 0
                for a task that is not named. It changes vectors and scores, whereas `by` only weights the scores. By
                default the weights of the model.
            features: Declared features that the users' tower reads, for users who are not in the log, or in place of
                the log's: a table with one row a user and their id column, or a mapping for a single user, such as
                `{"age": 24, "gender": "F"}`. Null and values that are not in training count as unknown.
            histories: Item ids by user, the oldest first, in addition to the user's items in training; or a table of
                events with any of the log's columns, such as the kind of event that `seen` reads. A tower that reads
                histories or sequences embeds them; for other towers `HistoryMap` approximates that.

        Returns:
            min(k, allowed) items for each user, with fused scores and each task's score in its own unit.

        Raises:
            ConfigError: If k is 0 or above the number of items, `candidates` is below 1, `by` or `preference` names
                something else than a task or gives all tasks weight 0, the model takes no preference or reads no
                features, or `histories` names a user who is not asked for.
            DataError: If `exclude`, `only` or `histories` names an unknown item or column, ids have the wrong type, or
                a feature is not one that the tower reads or not as declared.

        Source:
            Covington et al., "Deep Neural Networks for YouTube Recommendations", RecSys 2016, for the two stages.
        """
        _check("k", k, len(self.items) - 1, "items")
        _check("candidates", candidates, None, "items")
        told = self.model.prefer(preference)
        ids, single = listed(users)
        request = Request(
            k=k,
            weights=self._checked(next(each for each in (by, preference, self.by) if each is not None)),
            candidates=candidates,
            exclude=chosen_rows(self.items, exclude, "item"),
            only=None if only is None else chosen_rows(self.items, only, "item"),
            exclude_seen=exclude_seen,
            preference=told,
        )
        askers = self.fold_in(ids, features=features, histories=histories)
        return _top(self.ranker.rank(askers, request), self.items, askers.basis, single)

    def predict(
        self,
        users: Ids,
        items: Ids,
        *,
        preference: Mapping[str, float] | None = None,
        features: object = None,
        histories: object = None,
    ) -> dict[str, Float[Tensor, " *pairs"]]:
        """Every task's score of pairs of user and item.

        Args:
            users: One id or many.
            items: One id or many; one is paired with each of the other side, many are paired in order.
            preference: As in `recommend`.
            features: As in `recommend`.
            histories: As in `recommend`.

        Returns:
            Scores by task, in the task's unit: one number for two single ids, else one a pair. An unknown user is
            scored as the mean of all users.

        Raises:
            DataError: If an item is unknown, or a feature breaks a rule.
            ConfigError: If there are many users and a different number of items, or the preference, features or
                histories break a rule.
        """
        told = self.model.prefer(preference)
        (user_ids, one_user), (item_ids, one_item) = listed(users), listed(items)
        if not (one_user or one_item) and len(user_ids) != len(item_ids):
            raise ConfigError(
                f"{len(user_ids)} users and {len(item_ids)} items make no pairs; give as many of both, or one of either"
            )
        pairs = max(len(user_ids), len(item_ids)) if user_ids and item_ids else 0
        askers = self.fold_in(user_ids, features=features, histories=histories)
        if len(askers) != pairs:
            askers = askers.take(torch.zeros(pairs, dtype=torch.int64))
        item_rows = known_rows(self.items, item_ids, "item").expand(pairs)
        scores = self.scorer.scores(askers, item_rows[:, None], told)
        return {name: score.cpu().view(() if one_user and one_item else -1) for name, score in scores.items()}

    def similar_items(self, items: Ids, k: int = 10) -> TopK:
        """The items whose vectors point the same way, by cosine; never the item itself.

        Args:
            items: One id, for a 1-D answer, or many, for a 2-D one.
            k: How many.

        Returns:
            k items each, scored by cosine.

        Raises:
            DataError: If an item is unknown.
            ConfigError: If k is 0 or not below the number of items.
        """
        return self._similar(items, k, self.items, "item", self._item_directions)

    def similar_users(self, users: Ids, k: int = 10) -> TopK:
        """The users whose vectors point the same way, by cosine; never the user itself.

        Args:
            users: One id, for a 1-D answer, or many, for a 2-D one.
            k: How many.

        Returns:
            k users each, scored by cosine.

        Raises:
            DataError: If a user is unknown.
            ConfigError: If k is 0 or not below the number of users.
        """
        return self._similar(users, k, self.users, "user", self._user_directions)

    def encode(self, source: object) -> EventLog:
        """Read events that the model was not trained on, with every column that `evaluate` reads.

        Recent items and the counts of a user with an item are those of the training log. A label that its schema does
        not name, as that of `masked_pairs`, is unknown.

        Args:
            source: As in `EventLog.read`.

        Returns:
            A log with the users and items of the training log.

        Raises:
            DataError: If the source cannot be read, or lacks a column.
        """
        schema = replace(self.log.schema, context_features={})
        log = recent_like(self.log.encode(source, schema=schema), self.log)
        if self.retrieval.context is not None:
            log = self.retrieval.context.add(log)
        labels = [label for task in self.model.tasks.values() for label in task.needs if label not in log.columns]
        unknown = {label: torch.full((len(log),), torch.nan) for label in labels}
        return replace(log, columns={**log.columns, **unknown})

    def save(self, path: str | Path, *, run: str = "") -> None:
        """Write the recommender, with the index and `by` it was given; a model in that folder is replaced atomically.

        Args:
            path: A new or empty folder, or a saved model to replace.
            run: A record of the training run for `motet report`, from `motet.report.Record.to_json`.

        Raises:
            ConfigError: If `path` is a file, or a folder that holds anything but a saved model.
            ArtifactError: If the disk is full or refuses to be written.
        """
        more = files(self.retrieval)
        own = self.ranker.index
        quick = isinstance(own, ExactIndex) and own.rounded is not None  # to round a million vectors takes seconds
        saved.save(
            path,
            self.model,
            self.log,
            run,
            vectors=self.scorer.vectors,
            index=own if quick else self._index,
            by=self._by,
            more=more,
        )

    @classmethod
    def load(cls, path: str | Path, *, model: Model | None = None, indexed: bool = True) -> Self:
        """Read a saved recommender; it gives the same answers bit for bit, by its index if one was saved.

        Args:
            path: The folder.
            model: Receives the saved weights; needed if the model, a tower or a task is of a class that is not motet's.
            indexed: Whether to search by the saved index; if not, the search is exact.

        Returns:
            The recommender.

        Raises:
            ArtifactError: If the folder is damaged, incomplete, changed, or from a newer motet.
            ConfigError: If `model` is needed, or does not fit the saved weights, or the index is for other weights.
        """
        return unmixed(path, lambda: cls._read(path, model, indexed=indexed))

    @classmethod
    def _read(cls, path: str | Path, model: Model | None, *, indexed: bool) -> Self:
        found, where = saved.load(path, model, indexed=indexed), str(path)
        with reading(RETRIEVAL, where):
            given = read(found.folder, found.log)
        held = saved.WEIGHTS if found.vectors is None else saved.VECTORS
        try:
            with reading(held, where, but=OtherVectorsError):
                recommender = cls(
                    found.model,
                    found.log,
                    index=found.index,
                    seen=given.seen,
                    retrieve=given.stages or None,
                    context=given.context,
                    vectors=found.vectors,
                )
        except OtherVectorsError as error:
            raise ArtifactError(f"{error.file!r} in {where!r} is of other weights: {error}") from error
        with reading(saved.FUSION, where):
            if found.by is not None:
                recommender.by = found.by
        let_go(found.log.columns.values())  # loading reads all of them, requests few
        give_back()
        return recommender

    def _checked(self, by: Mapping[str, Any]) -> dict[str, float]:
        tasks = self.model.tasks
        for name, weight in by.items():  # of any type, where a file says it
            if name not in tasks:
                hint = did_you_mean(name, tasks)
                raise ConfigError(f"by names {name!r}, which is no task of the model{hint} Tasks: {', '.join(tasks)}.")
            if not isinstance(weight, NUMBERS) or not abs(weight) <= LARGEST:
                raise ConfigError(
                    f"by gives task {name!r} the weight {weight!r}; it must be a finite number, at most {LARGEST:g}"
                )
        if not any(by.values()):
            raise ConfigError(
                f"every task has weight 0, so all items are equal; give one of {', '.join(tasks)} another weight"
            )
        return {name: float(weight) for name, weight in by.items()}

    def _similar(self, ids: Ids, k: int, entities: Entities, side: str, cosine: Cosine) -> TopK:
        _check("k", k, len(entities) - 2, f"other {side}s")
        many, single = listed(ids)
        rows = known_rows(entities, many, side)
        hits = cosine.others(rows.to(cosine.vectors.device) - 1, k)
        basis = np.full(len(rows), "known", dtype=object)
        return _top(Ranking(hits.rows.cpu() + 1, hits.scores.cpu(), {}), entities, basis, single)

    @cached_property
    def _item_directions(self) -> Cosine:
        return Cosine(self.scorer.items[1:])

    @cached_property
    def _user_directions(self) -> Cosine:
        return Cosine(self.scorer.preferring(self.scorer.everyone)[1:])


def _check(name: str, value: int, most: int | None, things: str) -> None:
    if not 1 <= value <= (value if most is None else most):
        limit = "" if most is None else f" and at most {most:,}, the number of {things}"
        raise ConfigError(f"{name}={value!r}; it must be at least 1{limit}")


def _top(ranking: Ranking, entities: Entities, basis: npt.NDArray[np.object_], single: bool) -> TopK:
    """Rows become the caller's ids; a single user's answer becomes 1-D."""
    ids = np.array(entities.vocab.decode_list(ranking.rows.flatten()), dtype=object)
    top = TopK(ids.reshape(ranking.rows.shape), ranking.scores, ranking.tasks, basis)
    if not single:
        return top
    tasks = {name: scores[0] for name, scores in top.tasks.items()}
    return TopK(top.ids[0], top.scores[0], tasks, np.array(basis[0], dtype=object))
