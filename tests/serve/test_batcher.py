"""Questions that wait are answered together, each with its own answer."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from motet.serve.batcher import MANY, MOST, Batcher
from motet.serve.bodies import RecommendBody
from motet.serve.gate import Gate
from motet.serve.http.app import create_app
from motet.serve.problem import Problem
from motet.serve.service import Service
from serve.conftest import Caller


class Work:
    """Doubles numbers, once it may."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.rounds: list[list[int]] = []

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.rounds.append(list(numbers))
        self.go.wait(60)
        if -1 in numbers:
            raise ZeroDivisionError
        return [2 * number for number in numbers]


async def crowd(together: Batcher[int, int], work: Work, numbers: Sequence[int], kinds: Sequence[str]) -> list[Any]:
    """The first one has the thread; all others wait until it goes on."""
    first = asyncio.create_task(together.ask("first", 0))
    while not work.rounds:
        await asyncio.sleep(0.001)
    asked = [asyncio.create_task(together.ask(kind, number)) for kind, number in zip(kinds, numbers, strict=True)]
    await asyncio.sleep(0.01)
    work.go.set()
    return [await first, *await asyncio.gather(*asked, return_exceptions=True)]


@pytest.fixture
def work() -> Work:
    return Work()


def test_what_waits_is_answered_together_by_kind(work: Work) -> None:
    gate = Gate(threads=1)
    together = Batcher(gate, work)
    answers = asyncio.run(crowd(together, work, [1, 2, 3, 4, 5], ["a", "b", "a", "a", "b"]))
    assert answers == [0, 2, 4, 6, 8, 10]
    assert sorted(work.rounds) == [[0], [1, 3, 4], [2, 5]]
    assert gate.inside == 0
    gate.close()


def test_so_many_and_no_more(work: Work) -> None:
    gate = Gate(threads=1)
    together = Batcher(gate, work)
    numbers = range(1, 2 * MOST + 2)
    assert asyncio.run(crowd(together, work, numbers, ["a"] * len(numbers))) == [0, *(2 * n for n in numbers)]
    assert [len(numbers) for numbers in work.rounds] == [1, MOST, MOST, 1]
    gate.close()


def test_one_that_fails_fails_alone(work: Work) -> None:
    gate = Gate(threads=1)
    answers = asyncio.run(crowd(Batcher(gate, work), work, [1, -1, 3], ["a"] * 3))
    assert answers[:2] == [0, 2]
    assert isinstance(answers[2], ZeroDivisionError)
    assert answers[3] == 6
    gate.close()


def test_each_takes_a_place(work: Work) -> None:
    gate = Gate(threads=1, waiting=3)
    answers = asyncio.run(crowd(Batcher(gate, work), work, [1, 2, 3, 4], ["a"] * 4))
    assert answers[:4] == [0, 2, 4, 6]
    assert isinstance(answers[4], Problem)
    assert gate.inside == 0
    gate.close()


def test_who_begins_at_a_full_gate_is_refused_and_leaves_nothing_behind(work: Work) -> None:
    gate = Gate(threads=1, waiting=0)
    together = Batcher(gate, work)
    answers = asyncio.run(crowd(together, work, [1, 2], ["a", "b"]))
    assert [type(answer) for answer in answers] == [int, Problem, Problem]
    assert asyncio.run(together.ask("a", 4)) == 8
    gate.close()


def test_who_gives_up_takes_nobody_along(work: Work) -> None:
    gate = Gate(threads=1)
    together = Batcher(gate, work)

    async def ask() -> list[Any]:
        busy = asyncio.create_task(together.ask("first", 0))
        while not work.rounds:
            await asyncio.sleep(0.001)
        first, joined = (asyncio.create_task(together.ask("a", number)) for number in (1, 2))
        await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.sleep(0.01)
        work.go.set()
        return [await busy, await joined]

    assert asyncio.run(ask()) == [0, 4]
    assert work.rounds == [[0], [2]]
    gate.close()


def test_an_answer_for_nobody_is_dropped(work: Work, caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate(threads=1, timeout_s=0.05)
    with pytest.raises(Problem, match=r"no answer within 0\.05 s"):
        asyncio.run(Batcher(gate, work).ask("a", 1))
    work.go.set()  # the loop is closed by now
    gate.close()
    assert gate.inside == 0
    assert not caplog.records


def test_one_round_at_a_time(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("motet.serve.batcher.PATIENCE_S", 60.0)
    gate = Gate(threads=3)
    answers = asyncio.run(crowd(Batcher(gate, work), work, [1, 2, 3], ["a", "b", "a"]))
    assert answers == [0, 2, 4, 6]
    assert sorted(work.rounds) == [[0], [1, 3], [2]]
    gate.close()


def test_many_that_wait_get_a_thread_of_their_own(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("motet.serve.batcher.PATIENCE_S", 60.0)
    gate = Gate(threads=2)
    together = Batcher(gate, work)

    async def ask() -> list[int]:
        asked = []
        for rounds, kinds in ((1, "a"), (2, "b" * MANY)):
            asked += [asyncio.create_task(together.ask(kind, 1)) for kind in kinds]
            while len(work.rounds) < rounds:
                await asyncio.sleep(0.001)
        work.go.set()
        return await asyncio.gather(*asked)

    assert asyncio.run(ask()) == [2] * (1 + MANY)
    gate.close()


def test_a_long_round_holds_up_no_other(work: Work) -> None:
    gate = Gate(threads=2)
    together = Batcher(gate, work)

    async def ask() -> list[int]:
        asked = [asyncio.create_task(together.ask(kind, number)) for kind, number in (("a", 1), ("b", 2))]
        while len(work.rounds) < 2:
            await asyncio.sleep(0.001)
        work.go.set()
        return await asyncio.gather(*asked)

    assert asyncio.run(ask()) == [2, 4]
    gate.close()


def test_answers_are_those_that_each_would_have_got_alone(service: Service) -> None:
    ask = Caller(create_app(service))
    ask.post("/v1/events", {"events": [{"id": "1", "user": 3, "item": "Film 1"}]})
    bodies = [{"user": user, "k": 3, "exclude": ["Film 2", "Film 99"]} for user in (3, "4", 77, 3, 8)]
    alone = [ask.post("/v1/recommend", body) for body in bodies]
    kinds = {service.kind(RecommendBody.model_validate(body)) for body in bodies}
    assert len(kinds) == 1
    together = service._recommend_each([RecommendBody.model_validate(body) for body in bodies])
    for one, many in zip(alone, together, strict=True):
        found = json.loads(many)
        assert found["ignored"] == one["ignored"]
        assert [line["id"] for line in found["results"][0]["items"]] == [
            line["id"] for line in one["results"][0]["items"]
        ]
        assert {key: found[key] for key in ("model", "events")} == {key: one[key] for key in ("model", "events")}
        assert len(found["results"]) == 1
        assert found["results"][0]["user"] == one["results"][0]["user"]


def test_what_differs_in_more_than_the_user_is_answered_alone(service: Service) -> None:
    def kind(**body: object) -> object:
        return service.kind(RecommendBody.model_validate(body))

    assert kind(user=3) == kind(user="x")
    assert len({kind(user=3), kind(user=3, k=5), kind(user=3, reasons=True), kind(user=3, only=["Film 1"])}) == 4
    assert kind(users=[3]) is None
    assert kind(user=3, features={"age": 3}) is None
