"""Measured: what a service counts of itself, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 1.0, 5.0)


class Measured:
    """Counters of one service; no label holds an id of a user or an item."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "motet_requests", "Requests answered", ["route", "method", "status"], registry=self._registry
        )
        self.seconds = Histogram(
            "motet_request_seconds", "Time to the end of an answer", ["route"], buckets=SECONDS, registry=self._registry
        )
        self.inside = Gauge("motet_requests_inside", "Requests that are being answered", registry=self._registry)
        self.events = Counter("motet_events", "Events received", ["result"], registry=self._registry)
        self.without_events = Counter(
            "motet_answers_without_events", "Answers while the event store was down", registry=self._registry
        )
        self.model = Gauge("motet_model_info", "Models that answer", ["name", "version"], registry=self._registry)

    def text(self) -> bytes:
        """All of it, in Prometheus's format.

        Returns:
            Lines of text.
        """
        return generate_latest(self._registry)
