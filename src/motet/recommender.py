"""Recommender: retrieve, filter, rank, fuse; and what else a trained model can be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from motet.artifact import saved
from motet.artifact.reading import reading
from motet.artifact.vectors import Vectors
from motet.data.entities import Entities
from motet.data.history import History
from motet.data.log import EventLog
from motet.data.lookup import Ids, known_rows, listed
from motet.data.pair_features import PairFeatures
from motet.errors import ArtifactError, ConfigError, did_you_mean
from motet.fold_in import FoldIn
from motet.heap import give_back
from motet.index import ApproximateIndex, ExactIndex, TopK
from motet.index.cosine import Cosine
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

    It holds the vectors of all items: build it after training, and anew after further training.

    Args:
        model: Trained; it is put in evaluation mode.
        log: The training log: its items can be recommended, its pairs are what users have seen.
        index: Finds the candidates; an exact one where not given. `motet index` puts one into a saved model.
        by: What each task counts for in recommendations, unless a question says otherwise, 0 where not named; the
            weights of the model, which are those of its losses, where not given.
        seen: Which rows of the log say that a user needs no recommendation of an item, such as `"event == 'buy'"`
            where what was only viewed may come; all where not given. What a question tells of a user counts as seen, as
            far as the rule may hold for it.
        retrieve: What finds candidates, one stage after the other: the name of a task that ranks the catalogue, a
            `retrievers.Touched` or `Alike`, or a list of these as one stage. What an earlier stage finds comes first.
            The first trained task that ranks the catalogue where not given; without one, every item is a candidate.
        context: What heads read of a user with an item, where a task is `WithContext`: the counts of `log`.
        vectors: Of all items, where they were kept with the model; its tower makes them where not given.

    Raises:
        ConfigError: If the model has no task, a tower or a task of it needs context, which a request has not, the index
            is not of the model's items, `by` names no task or weighs all tasks 0, or `retrieve` breaks a rule.
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
        """What each task counts for in recommendations, unless a question says otherwise; assign one to change it."""
        return self.model.weights if self._by is None else {name: self._by.get(name, 0.0) for name in self.model.tasks}

    @by.setter
    def by(self, by: Mapping[str, float]) -> None:
        self._by = self._checked(by)

    @property
    def seen(self) -> History:
        """The items that each user row needs no recommendation of."""
        return self.fold_in.seen

    @property
    def retrieves(self) -> list[str]:
        """The tasks that find candidates; none where every item is one."""
        named = [source for stage in self.retrieval.stages for source in stage if isinstance(source, str)]
        corpus = self.scorer.corpus
        return named or ([] if corpus is None else [corpus.name])

    def recommend(
        self,
        users: Ids,
        k: int = 10,
        *,
        exclude_seen: bool = True,
        exclude: Ids = (),
        only: Ids | None = None,
        candidates: int = 500,
        by: Mapping[str, float] | None = None,
        preference: Mapping[str, float] | None = None,
        features: object = None,
        histories: object = None,
    ) -> TopK:
        """The k items that the tasks together put first for each user.

        The sources of `Recommender(retrieve=...)` find candidates. All tasks score them, and `fuse` adds the scores
        up, unless a source has an order of its own. A user of whom neither training nor this
        question knows anything gets the items with the most training events, scored by that number.

        Args:
            users: One id, for a 1-D answer, or many, for a 2-D one.
            k: How many items.
            exclude_seen: Whether to leave out the items the user had, in rows that `Recommender(seen=...)` chooses and
                as `histories` says. Of an event that does not say what the rule reads, nothing is ruled out.
            exclude: Items that must not be recommended to anyone.
            only: Items that may be recommended; all where not given.
            candidates: How many items each source retrieves for the tasks to rank, at least k. More is slower and comes
                closer to ranking the whole catalogue; 500 costs milliseconds.
            by: What each task counts for in the fused order of this call, 0 where not named; where not given, the
                preference, or else `Recommender.by`.
            preference: The weighting that a model with a `Preference` answers by, as if it had been trained with it, 0
                where not named. It changes vectors and scores, where `by` only adds scores up. The weights of the model
                where not given.
            features: Declared features that the users' tower reads, of users whom the log does not know, or in place
                of the log's: a table with one row a user and their id column, or a mapping for a single user, such as
                `{"age": 24, "gender": "F"}`. Null and values that training never had tell nothing.
            histories: Item ids by user, the oldest first, on top of what the user had in training; or a table of
                events, with the log's columns as far as they are known, such as the kind of event that `seen` reads.
                A tower that reads histories or sequences takes them in; for others a linear map stands in, as
                `FoldIn` says.

        Returns:
            min(k, allowed) items for each user, with fused scores and each task's score in its own unit.

        Raises:
            ConfigError: If k is 0 or above the number of items, `candidates` is below 1, `by` or `preference` names no
                task or weighs all tasks 0, the model takes no preference or reads no features, or `histories` names a
                user who is not asked for.
            DataError: If `exclude`, `only` or `histories` names an unknown item, ids have the wrong type, or a feature
                is not one that the tower reads or not as declared.

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
            exclude=known_rows(self.items, listed(exclude)[0], "item"),
            only=None if only is None else known_rows(self.items, listed(only)[0], "item"),
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
        """What every task says of pairs of user and item.

        Args:
            users: One id or many.
            items: One id or many; one is paired with each of the other side, many are paired in order.
            preference: As in `recommend`.
            features: As in `recommend`.
            histories: As in `recommend`.

        Returns:
            Scores by task, in the task's unit: one number for two single ids, else one a pair. A user of whom nothing
            is known is scored as the mean of all users.

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

    def save(self, path: str | Path, *, run: str = "") -> None:
        """Write the recommender, with the index and `by` it was given; a model there stays whole until it is written.

        Args:
            path: A new or empty folder, or a saved model to replace.
            run: How the model came to be, for `motet report`: what `motet.report.Record.to_json` returns.

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
        """Read what `save` wrote; it gives the same answers bit for bit, by the index that was saved, if one was.

        Args:
            path: Of the folder.
            model: Takes the saved weights; needed where the model, a tower or a task is of a class that is not motet's.
            indexed: Whether to search by the index that was saved; exactly, as without one, where not.

        Returns:
            The recommender.

        Raises:
            ArtifactError: If the folder is damaged, incomplete, changed, or from a newer motet.
            ConfigError: If `model` is needed, or does not fit the saved weights, or the index is of other weights.
        """
        found, where = saved.load(path, model), str(path)
        with reading(RETRIEVAL, where):
            given = read(found.folder, found.log)
        held = saved.WEIGHTS if found.vectors is None else saved.VECTORS
        try:
            with reading(held, where, but=OtherVectorsError):
                recommender = cls(
                    found.model,
                    found.log,
                    index=found.index if indexed else None,
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
        give_back()
        return recommender

    def _checked(self, by: Mapping[str, Any]) -> dict[str, float]:
        tasks = self.model.tasks
        for name, weight in by.items():  # of any type, where a file says it
            if name not in tasks:
                hint = did_you_mean(name, tasks)
                raise ConfigError(f"by names {name!r}, which is no task of the model{hint}; tasks: {', '.join(tasks)}")
            if not isinstance(weight, NUMBERS) or not abs(weight) <= LARGEST:
                raise ConfigError(
                    f"by gives task {name!r} the weight {weight!r}; it must be a finite number, at most {LARGEST:g}"
                )
        if not any(by.values()):
            raise ConfigError(
                f"every task weighs 0, so that nothing is better than anything; tasks: {', '.join(tasks)}"
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
    ids = np.array(entities.vocab.decode(ranking.rows.flatten()).to_list(), dtype=object)
    top = TopK(ids.reshape(ranking.rows.shape), ranking.scores, ranking.tasks, basis)
    if not single:
        return top
    tasks = {name: scores[0] for name, scores in top.tasks.items()}
    return TopK(top.ids[0], top.scores[0], tasks, np.array(basis[0], dtype=object))
