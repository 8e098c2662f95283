"""Recommender: a trained model that answers requests, with ids in and ids out.

A request passes three parts: `FoldIn` turns user ids, features and histories into user vectors; `Ranker` retrieves,
filters, ranks and fuses on rows; and the recommender turns the rows back into ids. Similar items and users, saving and
loading are here too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from motet.arguments import checked
from motet.artifact import saved
from motet.artifact.folder import unmixed
from motet.artifact.reading import reading
from motet.artifact.vectors import Vectors
from motet.data.history import History
from motet.data.log import EventLog
from motet.data.lookup import Chosen, Ids, check_k, chosen_rows, known_rows, listed, paired
from motet.data.pair_features import PairFeatures
from motet.data.recent import recent_like
from motet.errors import ArtifactError, ConfigError, check_types
from motet.fold_in import FoldIn
from motet.fusion import fusion_weights
from motet.heap import give_back
from motet.index import ApproximateIndex, ExactIndex, TopK
from motet.mapped import let_go
from motet.model import Model
from motet.ranker import Ranker, Request
from motet.retrievers import Retriever, stages
from motet.retrievers.saved import FILE as RETRIEVAL
from motet.retrievers.saved import Retrieval, files, read
from motet.scorer import OtherVectorsError, Scorer
from motet.similar import Similar


@checked
class Recommender:
    """Recommends items, predicts scores and finds similar items with a trained model.

    It computes the vectors of all items once, so build it after training, and again after further training.

    Args:
        model: A trained model; it is put in evaluation mode.
        log: The training log. Its items can be recommended, and its rows say what users have seen.
        index: The index that finds candidates; by default an exact one. `motet index` adds one to a saved model.
        by: The default weight of each task's scores in recommendations, 0 for a task that is not named. By default the
            weights of the model's losses.
        seen: The rows of the log that exclude an item from a user's recommendations, such as `"event == 'buy'"` if
            items that were only viewed may be recommended. By default all rows. Events of a request count as seen
            unless this condition rules them out.
        retrieve: The sources of candidates, stage by stage: the name of a task that ranks the catalogue, a
            `retrievers.Touched` or `Alike`, or a list of these as one stage. Items from an earlier stage come first.
            By default the first trained task that ranks the catalogue; without one, every item is a candidate.
        context: Computes the columns that `WithContext` tasks read, from the events of `log`.
        vectors: The vectors of all items, if they were saved; by default the item tower computes them.

    Raises:
        ConfigError: If the model, the log or the index is something else, the model has no task, a tower or a task
            needs context that a request does not have, the index does not hold the model's items, `by` is invalid (see
            `fusion_weights`), or `retrieve` is (see `retrievers.stages`).
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
        check_types(Model, model=model)
        check_types(EventLog, log=log)
        check_types(ExactIndex | ApproximateIndex | None, index=index)
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
        self._by = fusion_weights(by, self.model.tasks)

    @property
    def seen(self) -> History:
        """The items that each user has seen and that are not recommended again."""
        return self.fold_in.seen

    @property
    def retrieves(self) -> list[str]:
        """The tasks that retrieve candidates; empty if every item is a candidate."""
        named = [source for stage in self.retrieval.stages for source in stage if isinstance(source, str)]
        corpus = self.scorer.corpus
        return named or ([] if corpus is None else [corpus.name])

    @checked
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
        """Recommend the k best items to each user.

        The sources of `Recommender(retrieve=...)` find candidates. All tasks score them, and `fuse` combines the scores
        into one, unless a source has an order of its own. If nothing is known about a user, neither from training nor
        from the request, the answer is the most popular items: those that are positives most often of the task that
        retrieves. Their scores are these counts.

        Args:
            users: One id, for a 1-D answer, or many, for a 2-D one.
            k: The number of items.
            exclude_seen: Whether to leave out the items that the user has seen: in the rows that
                `Recommender(seen=...)` selects, and in `histories`, except events that this condition rules out.
            exclude: Items that must not be recommended: ids, or a condition on the item table.
            only: Items that may be recommended, such as `pl.col("price") < 20`; by default all.
            candidates: The number of items that each source retrieves for the tasks to rank; k if that is more. A
                larger number is slower and comes closer to ranking the whole catalogue; 500 costs milliseconds.
            by: The weight of each task's scores in this call, 0 for a task that is not named. By default the
                preference if there is one, else `Recommender.by`.
            preference: Task weights, 0 for a task that is not named: a model with a `Preference` answers as if it had
                been trained with them. They change vectors and scores, whereas `by` only weights the scores. By default
                the weights of the model.
            features: Features that the user tower reads, for strangers or in place of those of the log: a table with
                one row per user and the user id column, or a mapping for a single user, such as
                `{"age": 24, "gender": "F"}`. Null and values that are not in training count as unknown.
            histories: Item ids by user, oldest first, which are added to the user's items in training; or a table of
                events with any columns of the log, such as the event type that `seen` reads. Towers that read histories
                or sequences embed them; for other towers `HistoryMap` approximates that.

        Returns:
            min(k, allowed) items for each user, with fused scores and each task's score in its own unit.

        Raises:
            ConfigError: If k is 0 or above the number of items, `candidates` is below 1, `by` or `preference` is
                invalid, the model takes no preference or reads no features, or `histories` names a user who is not in
                `users`.
            DataError: If `exclude`, `only` or `histories` names an unknown item or column, ids have the wrong type, or
                the tower does not read a feature or it does not match its declaration.

        Source:
            Covington et al., "Deep Neural Networks for YouTube Recommendations", RecSys 2016, for the two stages.
        """
        check_k(k, len(self.items) - 1, "items")
        if candidates < 1:
            raise ConfigError(f"candidates={candidates}; it must be at least 1")
        encoded = self.model.prefer(preference)
        ids, single = listed(users)
        by = next(weights for weights in (by, preference, self.by) if weights is not None)
        request = Request(
            k=k,
            weights=fusion_weights(by, self.model.tasks),
            candidates=candidates,
            exclude=chosen_rows(self.items, exclude, "item"),
            only=None if only is None else chosen_rows(self.items, only, "item"),
            exclude_seen=exclude_seen,
            preference=encoded,
        )
        askers = self.fold_in(ids, features=features, histories=histories)
        rows, scores, tasks = self.ranker.rank(askers, request)
        names = np.array(self.items.vocab.decode_list(rows.flatten()), dtype=object)
        top = TopK(names.reshape(rows.shape), scores, tasks, askers.basis)
        return next(top.each()) if single else top

    def predict(
        self,
        users: Ids,
        items: Ids,
        *,
        preference: Mapping[str, float] | None = None,
        features: object = None,
        histories: object = None,
    ) -> dict[str, Float[Tensor, " *pairs"]]:
        """Every task's score for pairs of a user and an item.

        Args:
            users: One id or many.
            items: One id or many. A single id is paired with each id of the other side, many are paired in order.
            preference: As in `recommend`.
            features: As in `recommend`.
            histories: As in `recommend`.

        Returns:
            Scores by task, in the task's unit: one number for two single ids, else one per pair. The vector of an
            unknown user is the mean of all users.

        Raises:
            DataError: If an item is unknown, or a feature is invalid.
            ConfigError: If there are many users and a different number of items, or the preference, features or
                histories are invalid.
        """
        encoded = self.model.prefer(preference)
        user_ids, item_ids, single = paired(users, items)
        pairs = max(len(user_ids), len(item_ids)) if user_ids and item_ids else 0
        askers = self.fold_in(user_ids, features=features, histories=histories)
        if len(askers) != pairs:
            askers = askers.take(torch.zeros(pairs, dtype=torch.int64))
        item_rows = known_rows(self.items, item_ids, "item").expand(pairs)
        scores = self.scorer.scores(askers, item_rows[:, None], encoded)
        return {name: score.cpu().view(() if single else -1) for name, score in scores.items()}

    def similar_items(self, items: Ids, k: int = 10) -> TopK:
        """Find the k items with the most similar vectors, by cosine, other than the item itself.

        Args:
            items: One id, for a 1-D answer, or many, for a 2-D one.
            k: The number of similar items.

        Returns:
            k items for each, with the cosine as the score.

        Raises:
            DataError: If an item is unknown.
            ConfigError: If k is 0 or not below the number of items.
        """
        return self._similar_items.to(items, k)

    def similar_users(self, users: Ids, k: int = 10) -> TopK:
        """Find the k users with the most similar vectors, by cosine, other than the user itself.

        Args:
            users: One id, for a 1-D answer, or many, for a 2-D one.
            k: The number of similar users.

        Returns:
            k users for each, with the cosine as the score.

        Raises:
            DataError: If a user is unknown.
            ConfigError: If k is 0 or not below the number of users.
        """
        return self._similar_users.to(users, k)

    def encode(self, source: object) -> EventLog:
        """Read new events, with the context that the towers read, and add every column that `evaluate` reads.

        Recent items and pair features are those of the training log. A label that the log's schema does not name, such
        as that of `masked_pairs`, is unknown in every row.

        Args:
            source: As in `EventLog.read`. If the training log joins several, such as clicks and a survey, it may have
                the columns of one of them; `evaluate` leaves out the tasks whose label it lacks, and says so.

        Returns:
            A log that numbers users and items as the training log does.

        Raises:
            DataError: If the source cannot be read, or lacks a column.
        """
        schema = self.log.schema
        read = {**self.model.item.reads_context, **self.model.user.reads_context}
        context = {name: kind for name, kind in read.items() if name != schema.time}
        known = replace(self.log, schema=replace(schema, context_features=context))
        log = recent_like(known.encode(source), self.log)
        if self.retrieval.context is not None:
            log = self.retrieval.context.add(log)
        labels = [label for task in self.model.tasks.values() for label in task.needs if label not in log.columns]
        unknown = {label: torch.full((len(log),), torch.nan) for label in labels}
        return replace(log, columns={**log.columns, **unknown})

    def save(self, path: str | Path, *, run: str = "") -> None:
        """Save the recommender with its index and `by`; a saved model at `path` is replaced atomically.

        Args:
            path: A new or empty folder, or that of a saved model.
            run: A record of the training run for `motet report`, from `motet.report.Record.to_json`.

        Raises:
            ConfigError: If `path` is a file, or a folder that holds anything but a saved model; the weights are not
                float32; or the class of a retriever is not part of motet.
            ArtifactError: If the disk is full or not writable.
        """
        own = self.ranker.index
        rounded = isinstance(own, ExactIndex) and own.rounded is not None  # rounding a million vectors takes seconds
        saved.save(
            path,
            self.model,
            self.log,
            run,
            vectors=self.scorer.vectors,
            index=own if rounded else self._index,
            by=self._by,
            more=files(self.retrieval),
        )

    @classmethod
    def load(cls, path: str | Path, *, model: Model | None = None, indexed: bool = True) -> Self:
        """Load a saved recommender; its answers are the same, bit for bit.

        Args:
            path: The folder.
            model: Receives the saved weights; needed if the class of the model, a tower or a task is not part of motet.
            indexed: Whether to search the saved index, if there is one; otherwise the search is exact.

        Returns:
            The recommender.

        Raises:
            ArtifactError: If the folder is damaged, incomplete, modified, or from a newer version of motet; or if the
                vectors or the index belong to other weights.
            ConfigError: If `model` is needed but missing, or does not match the saved weights; or the saved index needs
                faiss, which is not installed.
        """
        return unmixed(path, lambda: cls._read(path, model, indexed=indexed))

    @classmethod
    def _read(cls, path: str | Path, model: Model | None, *, indexed: bool) -> Self:
        found, where = saved.load(path, model, indexed=indexed), str(path)
        with reading(RETRIEVAL, where):
            given = read(found.folder, found.log)
        try:
            with reading(saved.WEIGHTS if found.vectors is None else saved.VECTORS, where, but=OtherVectorsError):
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
        let_go(found.log.columns.values())  # loading reads all rows, a request few of them
        give_back()
        return recommender

    @cached_property
    def _similar_items(self) -> Similar:
        return Similar(self.items, self.scorer.items[1:], side="item")

    @cached_property
    def _similar_users(self) -> Similar:
        return Similar(self.users, self.scorer.preferring(self.scorer.everyone)[1:], side="user")
