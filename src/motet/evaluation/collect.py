"""Collect evidence: score every test row once, and rank the catalogue for every query once.

All metrics of a report, on all rows, on slices and on bootstrap samples, are computed from this evidence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from motet.baselines import Baseline
from motet.data.batch import Batch
from motet.errors import ConfigError, DataError
from motet.evaluation.corpus import PROTOCOLS, Corpus
from motet.evaluation.evidence import Evidence, Metrics
from motet.layers.precision import check_weights
from motet.metrics.base import CorpusMetric, ListMetric, Metric, PointMetric
from motet.metrics.per_query import PerQuery
from motet.metrics.scorers import Dot
from motet.metrics.topk import FactorizedTopK
from motet.model import Model
from motet.tasks.base import CorpusTask, Task
from motet.tasks.labels import named_row

ROWS = 1 << 16  # rows embedded or scored at once
RANKED: tuple[type[Metric], ...] = (CorpusMetric,)  # metrics of a task that ranks the catalogue
LABELLED: tuple[type[Metric], ...] = (PointMetric, ListMetric)  # metrics of a task with labels


def metrics_of(
    of: Task | Baseline, ks: Sequence[int] | None, kinds: tuple[type[Metric], ...], part: str | None = None
) -> dict[str, Metric]:
    """Create the metrics of a task or a baseline.

    Args:
        of: The task or baseline.
        ks: List lengths for hit rates; the longest limits the metrics that have no length. By default those of the
            metrics.
        kinds: The kinds of metrics to create.
        part: The part of the task's prediction to judge, such as `buy` for `buy/auc`; by default all parts.

    Returns:
        Metrics by name.
    """
    found = {
        name: metric
        for name, metric in of.metrics().items()
        if isinstance(metric, kinds) and (part is None or name.rpartition("/")[0] == part)
    }
    return found if ks is None else dict(_of_lists(name, metric, ks) for name, metric in found.items())


def _of_lists(name: str, metric: Metric, ks: Sequence[int]) -> tuple[str, Metric]:
    """The metric of lists of these lengths, and its name: `mrr` is that of the longest, `mrr@k`."""
    if isinstance(metric, FactorizedTopK):
        return name, FactorizedTopK(ks, tfrs=metric.tfrs)
    if isinstance(metric, PerQuery) and math.isinf(metric.k):
        return f"{name}@{max(ks)}", metric.limited(max(ks))
    return name, metric


def keys_of(task: Task) -> list[str]:
    """The keys of a task's metrics in the report of `evaluate`.

    Args:
        task: The task, trained or not.

    Returns:
        The keys under both protocols.
    """
    return [
        f"{task.name}/{protocol}{key}"
        for name, metric in task.metrics().items()
        for protocol in ([f"{each}/" for each in PROTOCOLS] if isinstance(metric, CorpusMetric) else [""])
        for key in metric.parts(name)
    ]


def evidence_of_model(model: Model, batch: Batch, corpus: Corpus, ks: Sequence[int] | None) -> list[Evidence]:
    """Score and rank the test rows with the tasks of a model.

    Args:
        model: The model, in evaluation mode.
        batch: The test rows.
        corpus: The positives among them.
        ks: List lengths, as in `metrics_of`.

    Returns:
        Evidence of every task that is judged by labels, then of every task that ranks the catalogue.

    Raises:
        ConfigError: If a task ranks the catalogue and the item tower reads context; or the weights are neither float32
            nor float64.
        DataError: If a score is NaN; the message names the task.
    """
    check_weights(model)
    device = next(model.parameters(), torch.zeros(())).device
    batch, corpus = batch.to(device), corpus.to(device)
    found = _scored(model, batch, ks)
    ranked = {name: task for name, task in model.tasks.items() if isinstance(task, CorpusTask)}
    vectors = _catalogue(model, batch, corpus.catalogue) if ranked else None
    for name, task in ranked.items():
        assert vectors is not None
        with _naming(f"task {name!r}"):
            found += _ranked(model, task, partial(metrics_of, task, ks, RANKED), vectors, batch, corpus)
    return [part.cpu() for part in found]


def evidence_of_baseline(
    baseline: Baseline,
    metrics: Metrics,
    batch: Batch,
    corpus: Corpus,
    *,
    name: str | None = None,
    weights: Float[Tensor, " rows"] | None = None,
) -> list[Evidence]:
    """Score or rank the test rows with a baseline.

    Args:
        baseline: The baseline.
        metrics: Creates the metrics.
        batch: The test rows.
        corpus: The positives among them.
        name: The task that it is compared with, which names the evidence; by default the baseline itself.
        weights: The weight of each test row; by default 0 for rows that the baseline's `where` does not select.

    Returns:
        Evidence of scores, or of ranks under every protocol.

    Raises:
        DataError: If a score is NaN; the message names the baseline.
    """
    name = baseline.name if name is None else name
    weights = baseline.rows.weights(batch) if weights is None else weights
    with _naming(f"baseline {baseline.name!r}"):
        if baseline.label is not None:
            scores = baseline.scores(batch.users, batch.items)
            return [_labelled(name, metrics, scores, baseline.label, batch, weights)]
        queries = corpus.queries()
        return corpus.evidence(
            lambda rows, columns: baseline.scores(queries.user[rows, None], columns + 1),
            queries,
            metrics,
            weights[corpus.rows],
            name,
        )


def _scored(model: Model, batch: Batch, ks: Sequence[int] | None) -> list[Evidence]:
    """Evidence of the tasks whose scores are compared with labels."""
    judged = {name: task for name, task in model.tasks.items() if metrics_of(task, ks, LABELLED)}
    if not judged:
        return []
    scores = _scores(model, judged, batch)
    found = []
    for name, task in judged.items():
        weights = task.row_weights(batch)
        for part, label in task.judged.items():
            metrics = partial(metrics_of, task, ks, LABELLED, part)
            if metrics():
                with _naming(f"task {name!r}"):
                    found.append(_labelled(name, metrics, scores[name, part], label, batch, weights))
    return found


def _scores(model: Model, judged: Mapping[str, Task], batch: Batch) -> dict[tuple[str, str], Tensor]:
    """The scores of all rows, by task and part of its prediction."""
    blocks: dict[tuple[str, str], list[Tensor]] = {}
    for start in range(0, len(batch), ROWS):
        rows = batch.take(slice(start, start + ROWS))
        scores = model.score(rows)
        for name, task in judged.items():
            parts = {"": scores[name]} if set(task.judged) <= {""} else model.score_parts(name, rows)
            for part, values in parts.items():
                blocks.setdefault((name, part), []).append(values)
    return {key: torch.cat(parts) for key, parts in blocks.items()}


def _labelled(name: str, metrics: Metrics, scores: Tensor, label: str, batch: Batch, weights: Tensor) -> Evidence:
    """Evidence of scores: those of the rows with a label and a weight."""
    labels = batch[label]
    rows = ((weights != 0) & ~labels.isnan()).nonzero()[:, 0]
    unknown = rows[scores[rows].isnan()]
    if len(unknown):
        raise DataError(f"the score of held-out {named_row(batch, int(unknown[0]))} is NaN; did the training diverge?")
    users = batch.users[rows]
    return Evidence(name, metrics, scores[rows], labels[rows], users, users, batch.items[rows], weights[rows], rows)


def _ranked(
    model: Model, task: CorpusTask, metrics: Metrics, vectors: Tensor, batch: Batch, corpus: Corpus
) -> list[Evidence]:
    """Evidence of ranks, with one query per user, or one per row if a user's vector depends on the row."""
    rows = batch.take(corpus.rows)
    queries = corpus.queries()
    users = rows if corpus.each_row else batch.entities(batch.user_key, queries.user)
    items = batch.entities(batch.item_key, torch.arange(1, corpus.catalogue + 1, device=rows.users.device))
    user_vectors = _embed(model.embed_users, users) if len(rows) else vectors[:0]
    scorer = Dot(task.queries(user_vectors, users), task.candidates(vectors, items))
    return corpus.evidence(scorer, queries, metrics, task.row_weights(rows), task.name)


def _catalogue(model: Model, batch: Batch, size: int) -> Float[Tensor, "items dim"]:
    """The vectors of all items except the unknown one."""
    if model.item.context:
        raise ConfigError(
            f"the item tower reads the context {', '.join(model.item.context)}, so that items have no vector before "
            "an event: the catalogue cannot be ranked; move these columns to the user tower"
        )
    return _embed(model.item, batch.entities(batch.item_key, torch.arange(1, size + 1, device=batch.users.device)))


def _embed(embed: Callable[[Batch], Tensor], batch: Batch) -> Tensor:
    return torch.cat([embed(batch.take(slice(start, start + ROWS))) for start in range(0, len(batch), ROWS)])


@contextmanager
def _naming(system: str) -> Iterator[None]:
    """Prefix data errors with the system whose scores they are about."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{system}: {error}") from error
