"""Models that are asked beside those that answer."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from motet.recommender import Recommender
from motet.serve.bodies import RecommendBody
from motet.serve.gate import Gate
from motet.serve.http.app import create_app
from motet.serve.metrics import Metrics
from motet.serve.models.served import ServedModel
from motet.serve.rollout import shadow as shadows
from motet.serve.rollout.lineup import Lineup
from motet.serve.rollout.plan import NOTHING, Wanted
from motet.serve.service import Service
from serve.conftest import Caller

ASKED = RecommendBody.model_validate({"user": 3, "k": 4})


def value(metrics: Metrics, line: str) -> float:
    """A line of the metrics; 0 where it is not there."""
    found = [text for text in metrics.text().decode().splitlines() if text.startswith(line + " ")]
    return float(found[0].rpartition(" ")[2]) if found else 0.0


def counted(metrics: Metrics, result: str, least: int = 1) -> float:
    """How many questions ended so, once as many did as are waited for."""
    line = f'motet_shadow_requests_total{{name="next",result="{result}"}}'
    until = time.monotonic() + 30
    while value(metrics, line) < least and time.monotonic() < until:
        time.sleep(0.005)
    return value(metrics, line)


@pytest.fixture
def service(served: ServedModel, recommender: Recommender) -> Any:
    """Of the model films, and the same once more as its shadow."""
    models = {"films": served, "next": ServedModel(recommender, name="next", version="2")}
    plan = NOTHING.changed([Wanted("films"), Wanted("next", role="shadow")], {"films": "1", "next": "2"})
    service = Service(Lineup(plan, models))
    yield service
    service.close()


def test_a_shadow_is_measured_and_answers_nobody(service: Service) -> None:
    ask = Caller(create_app(service))
    answer = ask.post("/v1/recommend", {"users": [1, 2, "nobody"], "k": 4})
    assert {line["model"]["name"] for line in answer["results"]} == {"films"}
    assert counted(service.metrics, "answered") == 1
    assert value(service.metrics, 'motet_shadow_agreement_sum{name="next"}') == 3
    assert value(service.metrics, 'motet_shadow_agreement_count{name="next"}') == 3
    assert value(service.metrics, 'motet_shadow_seconds_count{name="next"}') == 1
    roles = {model["name"]: (model["role"], model["share"]) for model in ask.get("/v1/model")["models"]}
    assert roles == {"films": ("live", 1.0), "next": ("shadow", 0.0)}


def test_a_shadow_may_be_asked_by_name_and_is_not_its_own_shadow(service: Service) -> None:
    answer = Caller(create_app(service)).post("/v1/recommend", {"user": 3, "model": "next"})
    assert answer["model"]["name"] == "next"
    service.close()
    assert "motet_shadow_requests_total{" not in service.metrics.text().decode()


def test_agreement_is_the_share_of_the_list(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    shadow = service.lineup.shadows[0]
    answer = service.recommend(ASKED)["results"][0]["items"]
    assert counted(service.metrics, "answered") == 1
    other = {"results": [{"items": [*answer[:1], {"id": "?"}, {"id": "!"}]}]}
    monkeypatch.setattr(shadow, "recommend", lambda *_: other)
    service.recommend(ASKED)
    assert counted(service.metrics, "answered", 2) == 2
    assert value(service.metrics, 'motet_shadow_agreement_sum{name="next"}') == 1.25


def test_what_a_shadow_gets_wrong_concerns_nobody(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(service.lineup.shadows[0], "recommend", fail)
    assert len(service.recommend(ASKED)["results"][0]["items"]) == 4
    assert counted(service.metrics, "failed") == 1


def test_under_load_questions_are_dropped(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadows, "PATIENCE_S", 0.001)
    monkeypatch.setattr(Gate, "busy", True)
    service.recommend(ASKED)
    assert counted(service.metrics, "dropped") == 1


def test_a_slow_shadow_makes_nobody_wait(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    monkeypatch.setattr(service.lineup.shadows[0], "recommend", lambda *_: go.wait(60))
    for _ in range(shadows.WAITING + 3):
        service.recommend(ASKED)
    assert counted(service.metrics, "dropped", 3) == 3
    go.set()
