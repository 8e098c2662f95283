"""Batcher: computes waiting requests that differ only in the user together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Generic, TypeVar

from motet.serve.gate import Gate

Question = TypeVar("Question")
Answer = TypeVar("Answer")
Round = list[tuple[Question, asyncio.Future[Answer]]]
Answered = list[tuple[asyncio.Future[Answer], Answer | BaseException]]
MOST = 8  # larger batches gain little, and their first request waits for all the others
MANY = MOST // 2  # as many wait where one thread cannot keep up
PATIENCE_S = 0.02  # longer rounds spend little of their time in Python, and run well side by side


class Batcher(Generic[Question, Answer]):
    """Answers requests of one kind together while they wait for a thread.

    One round of requests is computed at a time, because two would compete for the interpreter; a second round starts
    if it has `MANY` requests or the first takes longer than `PATIENCE_S`. Requests that arrive meanwhile join the next
    round of their kind. So each answer costs less the busier the service is.

    Args:
        gate: Limits concurrent work; every request takes a place in it.
        answer: Answers several requests of one kind, in order.
    """

    def __init__(self, gate: Gate, answer: Callable[[Sequence[Question]], Sequence[Answer]]) -> None:
        self.gate = gate
        self.answer = answer
        self._open: dict[Hashable, Round[Question, Answer]] = {}  # rounds that are not computed yet
        self._computing = 0  # rounds
        self._changed = threading.Condition()

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
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        with self._changed:
            joined = self._open.get(kind)
            if joined is None:
                begun = [(question, answer)]
                self.gate.begin(partial(self._work, kind, begun)).add_done_callback(_deliver)
                self._open[kind] = begun
            else:
                self.gate.enter()
                joined.append((question, answer))
                if len(joined) == MOST:
                    del self._open[kind]
                if len(joined) == MANY:
                    self._changed.notify_all()
        try:
            return await self.gate.wait(answer)
        finally:
            if joined is not None:
                self.gate.leave()

    def _work(self, kind: Hashable, begun: Round[Question, Answer]) -> Answered[Answer]:
        """In a thread of the gate."""
        with self._changed:
            self._changed.wait_for(lambda: not self._computing or len(begun) >= MANY, PATIENCE_S)
            self._computing += 1
            if self._open.get(kind) is begun:  # from now on no request joins
                del self._open[kind]
        try:
            asked = [(question, answer) for question, answer in begun if not answer.done()]  # others gave up
            answers = self._answers([question for question, _ in asked])
        finally:
            with self._changed:
                self._computing -= 1
                self._changed.notify_all()
        return [(waiting, answer) for (_, waiting), answer in zip(asked, answers, strict=True)]

    def _answers(self, questions: Sequence[Question]) -> Sequence[Answer | BaseException]:
        try:
            return self.answer(questions) if questions else []
        except BaseException as error:
            if len(questions) == 1:
                return [error]
            return [self._answers([question])[0] for question in questions]  # one that fails must not fail the others


def _deliver(work: Future[Answered[Answer]]) -> None:
    """Hand answers from the thread to the loop, all at once: every call wakes it.

    If everybody has given up, the loop may be closed already, as when the service stops.
    """
    answered = [] if work.cancelled() else [each for each in work.result() if not each[0].done()]
    if answered:
        answered[0][0].get_loop().call_soon_threadsafe(_settle, answered)


def _settle(answered: Answered[Answer]) -> None:
    for waiting, answer in answered:
        if waiting.done():
            continue
        if isinstance(answer, BaseException):
            waiting.set_exception(answer)
        else:
            waiting.set_result(answer)
