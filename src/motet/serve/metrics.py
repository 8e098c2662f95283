"""Metrics: counters of a service, for Prometheus."""

from __future__ import annotations

import os
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 1.0, 5.0)
TENTHS = tuple(tenth / 10 for tenth in range(11))
SHARED = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client reads it when it is imported


class Metrics:
    """The metrics of one service; no label contains an id of a user or an item.

    Processes started with `PROMETHEUS_MULTIPROC_DIR` count together, in files in that folder; see `count_as`.
    """

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self.requests = Counter("motet_requests", "Requests answered", ["route", "method", "status"], registry=registry)
        self.seconds = Histogram(
            "motet_request_seconds", "Time to the end of an answer", ["route"], buckets=SECONDS, registry=registry
        )
        self.inside = Gauge(
            "motet_requests_inside", "Requests that are being answered", registry=registry, multiprocess_mode="livesum"
        )
        self.events = Counter("motet_events", "Events received", ["result"], registry=registry)
        self.without_events = Counter(
            "motet_answers_without_events", "Answers while the event store was down", registry=registry
        )
        self.model = Gauge(
            "motet_model_info",
            "1 of models that answer, 0 of those that did",
            ["name", "version"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.generation = Gauge(
            "motet_generation",
            "Changes of what is served, as far as followed",
            registry=registry,
            multiprocess_mode="liveall",
        )
        self.users = Counter("motet_users_answered", "Users recommended to", ["name", "version"], registry=registry)
        self._shadows(registry)
        self._shown: set[tuple[str, str]] = set()

    def show(self, generation: int, labels: Iterable[tuple[str, str]]) -> None:
        """Record which models answer from now on.

        Args:
            generation: Generation of the plan.
            labels: Names and versions of the models.
        """
        now = set(labels)
        for label in self._shown | now:
            self.model.labels(*label).set(label in now)
        self._shown |= now
        self.generation.set(generation)

    def text(self) -> bytes:
        """All metrics in Prometheus's text format, summed over the processes that count together.

        Returns:
            Lines of text.
        """
        if SHARED not in os.environ:
            return generate_latest(self._registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)

    def _shadows(self, registry: CollectorRegistry) -> None:
        self.shadow_requests = Counter(
            "motet_shadow_requests", "Questions to a shadow model", ["name", "result"], registry=registry
        )
        self.shadow_seconds = Histogram(
            "motet_shadow_seconds", "Time of a shadow's answer", ["name"], buckets=SECONDS, registry=registry
        )
        self.shadow_agreement = Histogram(
            "motet_shadow_agreement",
            "Share of the live model's list that the shadow has too",
            ["name"],
            buckets=TENTHS,
            registry=registry,
        )


def count_as(place: int) -> None:
    """Make this process continue the counters of the process that had its place before.

    By default prometheus_client writes files for each process id and keeps the counters of processes that ended, so
    that the files would grow in number with every worker that is replaced.

    Args:
        place: Number of the worker; no other process that runs has the same.
    """
    values.ValueClass = values.MultiProcessValue(lambda: place)  # type: ignore[no-untyped-call]


def forget_process(place: int, folder: str) -> None:
    """Remove a process that ended from the gauges of live processes; its counters stay.

    Args:
        place: Number of the worker.
        folder: The folder in which the processes count together.
    """
    mark_process_dead(place, folder)  # type: ignore[no-untyped-call]
