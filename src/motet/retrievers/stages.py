"""Stages: the order of the sources of candidates, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from motet.errors import ConfigError, check_types, did_you_mean
from motet.model import Model
from motet.retrievers.base import Retriever
from motet.tasks import CorpusTask

Source = str | Retriever
Stage = Sequence[Source]


def stages(retrieve: Sequence[Any], model: Model) -> tuple[tuple[Source, ...], ...]:
    """The sources of candidates, stage by stage.

    Args:
        retrieve: For each stage the name of a task that ranks the whole catalogue, a retriever, or a list of these.
        model: The model with these tasks.

    Returns:
        Each stage as a tuple of its sources.

    Raises:
        ConfigError: If it is no list, there is no stage, a stage holds something else than a task that retrieves or a
            retriever, or a stage could never be reached.
    """
    check_types(list | tuple, "write a list of stages, such as retrieve=['retrieval']", retrieve=retrieve)
    found = tuple(tuple(one) if isinstance(one, list | tuple) else (one,) for one in retrieve)
    if not found or not all(found):
        raise ConfigError(
            f"retrieve={retrieve!r}; give at least one stage, and each stage a task that retrieves or a retriever"
        )
    for place, stage in enumerate(found):
        for source in stage:
            _check(source, model)
        names = [source for source in stage if isinstance(source, str)]
        if names and place + 1 < len(found):
            raise ConfigError(
                f"task {names[0]!r} ranks the whole catalogue, so the stages after it would never be reached; put it "
                f"into the last stage, together with other sources if needed: retrieve=[..., [{names[0]!r}, ...]]"
            )
    return found


def _check(source: Any, model: Model) -> None:
    retrieve = [name for name, task in model.tasks.items() if isinstance(task, CorpusTask)]
    if isinstance(source, str):
        if source not in retrieve:
            raise ConfigError(
                f"retrieve names {source!r}, which is no task that ranks the whole catalogue"
                f"{did_you_mean(source, retrieve)} These do: {', '.join(retrieve) or 'none'}. A retriever is passed as "
                "an object, such as Touched(\"event == 'view'\")."
            )
    elif not isinstance(source, Retriever):
        raise ConfigError(
            f"retrieve holds {source!r} of type {type(source).__name__}; it takes names of tasks, retrievers such as "
            "Alike(neighbours), and lists of these"
        )
    elif source.by is not None and source.by not in model.tasks:
        raise ConfigError(
            f"{type(source).__name__}(by={source.by!r}) names no task{did_you_mean(source.by, model.tasks)} "
            f"Tasks: {', '.join(model.tasks)}."
        )
