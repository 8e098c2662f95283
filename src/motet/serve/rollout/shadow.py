"""Shadow: sends copies of requests to models whose answers are only measured."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from motet.serve.bodies import RecommendBody
from motet.serve.gate import Gate
from motet.serve.metrics import Metrics
from motet.serve.models.served import ServedModel
from motet.serve.models.stored import Stored

WAITING = 8  # queued requests; more would only hold memory for answers that nobody waits for
PATIENCE_S = 0.1  # wait for a free serving thread; if there is none, live requests come first


class Shadow:
    """Asks shadow models in a thread of its own, one request at a time, and only while a serving thread is free.

    Args:
        gate: Knows whether a thread is free.
        metrics: Counts answered, failed and dropped requests, their time, and how much of the live model's list is
            also in the shadow's.
    """

    def __init__(self, gate: Gate, metrics: Metrics) -> None:
        self.gate = gate
        self.metrics = metrics
        self._waiting = 0
        self._counting = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="motet-shadow")

    def offer(self, models: Sequence[ServedModel], asked: RecommendBody, stored: Stored, answer: Any) -> None:
        """Queue a request for the shadows, or drop it if too many are waiting; returns immediately.

        Args:
            models: The shadows.
            asked: The request.
            stored: The events that the live model considered.
            answer: The live model's answer.
        """
        with self._counting:
            full = self._waiting + len(models) > WAITING
            self._waiting += 0 if full else len(models)
        for model in models:
            if full:
                self.metrics.shadow_requests.labels(model.name, "dropped").inc()
            else:
                self._thread.submit(self._ask, model, asked, stored, answer)

    def close(self) -> None:
        """Finish the request in progress and drop those that wait."""
        self._thread.shutdown(cancel_futures=True)

    def _free(self) -> bool:
        until = time.perf_counter() + PATIENCE_S
        while self.gate.busy and time.perf_counter() < until:
            time.sleep(PATIENCE_S / 20)
        return not self.gate.busy

    def _ask(self, model: ServedModel, asked: RecommendBody, stored: Stored, answer: Mapping[str, Any]) -> None:
        result = "dropped"
        try:
            if self._free():
                result = "failed"
                began = time.perf_counter()
                shadows = model.recommend(asked, stored)
                self.metrics.shadow_seconds.labels(model.name).observe(time.perf_counter() - began)
                for live, shadow in zip(answer["results"], shadows["results"], strict=True):
                    self.metrics.shadow_agreement.labels(model.name).observe(agreement(live["items"], shadow["items"]))
                result = "answered"
        finally:  # a shadow's error is counted; the client never sees it
            self.metrics.shadow_requests.labels(model.name, result).inc()
            with self._counting:
                self._waiting -= 1


def agreement(some: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]) -> float:
    """The share of one list's items that are also in another list, in any order.

    Args:
        some: Items of the live model.
        others: Items of the shadow.

    Returns:
        From 0 to 1; 1 if the live model's list is empty.

    Example:
        >>> agreement([{"id": 1}, {"id": 2}], [{"id": "2"}, {"id": "7"}])
        0.5
    """
    names = {str(item["id"]) for item in others}
    return sum(str(item["id"]) in names for item in some) / len(some) if some else 1.0
