"""Batcher: computes waiting requests that differ only in the user together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from motet.serve.gate import Gate

Question = TypeVar("Question")
Answer = TypeVar("Answer")
MOST = 8  # larger batches gain little, and their first request waits for all the others


class _Round(Generic[Question, Answer]):
    """Requests that are answered together."""

    def __init__(self, first: Question) -> None:
        self.asked = [first]
        self.answers: asyncio.Future[Sequence[Answer | Exception]]


class Batcher(Generic[Question, Answer]):
    """Answers requests of one kind together while they wait for a thread.

    If a thread is free, a request is answered at once and alone. If not, requests of its kind join it until a thread
    takes them all. So each answer costs less the busier the service is.

    Args:
        gate: Limits concurrent work; every request takes a place in it.
        answer: Answers several requests of one kind, in order.
    """

    def __init__(self, gate: Gate, answer: Callable[[Sequence[Question]], Sequence[Answer]]) -> None:
        self.gate = gate
        self.answer = answer
        self._open: dict[Hashable, _Round[Question, Answer]] = {}  # rounds that no thread has started yet
        self._lock = threading.Lock()

    async def ask(self, kind: Hashable, question: Question) -> Answer:
        """Answer a request, alone or with others of its kind.

        Args:
            kind: Only requests of equal kinds are answered together.
            question: The request.

        Returns:
            Its answer.

        Raises:
            Problem: If the gate is full, or the time is over.
        """
        with self._lock:
            joined = self._open.get(kind)
            asked = self._begin(kind, question) if joined is None else self._join(kind, joined, question)
            place = len(asked.asked) - 1
        try:
            answer = (await asyncio.shield(asked.answers))[place]  # one request may be cancelled, the others not
        finally:
            if joined is not None:
                self.gate.leave()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _begin(self, kind: Hashable, question: Question) -> _Round[Question, Answer]:
        begun = _Round[Question, Answer](question)
        work = self.gate.begin(lambda: self._work(kind, begun))
        begun.answers = asyncio.ensure_future(self._wait(kind, begun, work))
        self._open[kind] = begun
        return begun

    def _join(self, kind: Hashable, joined: _Round[Question, Answer], question: Question) -> _Round[Question, Answer]:
        self.gate.enter()
        joined.asked.append(question)
        if len(joined.asked) == MOST:
            del self._open[kind]
        return joined

    async def _wait(
        self, kind: Hashable, begun: _Round[Question, Answer], work: Future[Sequence[Answer | Exception]]
    ) -> Sequence[Answer | Exception]:
        try:
            return await self.gate.wait(work)
        finally:
            self._close(kind, begun)  # also if no thread ever started it

    def _work(self, kind: Hashable, begun: _Round[Question, Answer]) -> Sequence[Answer | Exception]:
        """In a thread of the gate: from now on no request joins."""
        self._close(kind, begun)
        try:
            return self.answer(begun.asked)
        except Exception:
            if len(begun.asked) == 1:
                raise
            return [self._alone(question) for question in begun.asked]  # a request that fails must not fail the others

    def _alone(self, question: Question) -> Answer | Exception:
        try:
            return self.answer([question])[0]
        except Exception as error:
            return error

    def _close(self, kind: Hashable, begun: _Round[Question, Answer]) -> None:
        with self._lock:
            if self._open.get(kind) is begun:
                del self._open[kind]
