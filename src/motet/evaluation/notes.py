"""Notes of a report: tasks and users that are left out, and lists that are longer than the catalogue."""

from __future__ import annotations

import math
from collections.abc import Sequence

from motet.data.log import EventLog
from motet.evaluation.corpus import Corpus
from motet.evaluation.evidence import Evidence


def ranking_notes(evidence: Sequence[Evidence], test: EventLog, corpus: Corpus) -> list[str]:
    """Describe the rankings, count who is left out of them, and name the lists that are longer than the catalogue.

    Args:
        evidence: Evidence of the system.
        test: The test log.
        corpus: The positives of the test log.

    Returns:
        Sentences for a report; none if nothing is ranked.
    """
    ranked = [part for part in evidence if part.labels is None]
    if not ranked:
        return []
    return [*corpus.notes(test), *_without_positives(ranked, test), *_too_long(ranked, corpus.catalogue)]


def label_notes(evidence: Sequence[Evidence]) -> list[str]:
    """Name the tasks that are not measured, because no test row has their label.

    Args:
        evidence: Evidence of the system.

    Returns:
        Sentences for a report.
    """
    rows: dict[str, int] = {}
    for part in evidence:
        if part.labels is not None:
            name = part.prefix.partition("/")[0]
            rows[name] = rows.get(name, 0) + len(part)
    return [f"{name}: no held-out row has its label; it is left out." for name, found in rows.items() if not found]


def _without_positives(ranked: Sequence[Evidence], test: EventLog) -> list[str]:
    users = len(test.batch().users.unique())
    counted = {part.prefix.partition("/")[0]: len(part.users.unique()) for part in ranked}
    return [
        f"{name}: {users - found:,} of {users:,} users have no held-out positive with a known item and are left out."
        for name, found in counted.items()
        if found < users
    ]


def _too_long(ranked: Sequence[Evidence], catalogue: int) -> list[str]:
    lengths = {
        key: getattr(metric, "k", math.inf)
        for part in ranked
        for name, whole in part.metrics().items()
        for key, metric in whole.parts(name).items()
    }
    long = [key for key, length in lengths.items() if catalogue < length < math.inf]
    if not long:
        return []
    return [f"{', '.join(long)}: the list is longer than the catalogue of {catalogue:,} items and contains all of it."]
