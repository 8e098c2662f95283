"""An acknowledged event outlives `kill -9` and its database; `benchmarks.durability` and `outages` try it often."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.outages import Postgres

from motet.serve.events.store import EventStore
from motet.serve.http.app import create_app
from motet.serve.models.served import ServedModel
from motet.serve.rollout.lineup import Lineup
from motet.serve.service import Service
from serve.conftest import Caller, empty_postgres

ROOT = Path(__file__).parents[3]


def test_no_acknowledged_event_is_lost_or_doubled(url: str) -> None:
    program = [sys.executable, "-m", "benchmarks.durability", "--kills", "12", "--url", url]
    ran = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"12 kills: [1-9]\d* events acknowledged, \d+ stored, 0 lost, 0 duplicates, 0 missing", ran.stdout)


def test_without_its_postgres_a_service_serves_on_and_takes_events_again_once_it_is_back(
    served: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = empty_postgres()
    postgres = Postgres(url)
    if not postgres.data.exists():
        pytest.skip("the PostgreSQL of the tests is not this machine's own")
    store = EventStore(url)
    service = Service(Lineup.alone(served), store=store)
    ask = Caller(create_app(service))

    def tell(number: int) -> dict[str, list[dict[str, object]]]:
        return {"events": [{"id": f"e{number}", "user": 3, "item": f"Film {number}"}]}

    assert ask.post("/v1/events", tell(1)) == {"accepted": 1, "duplicates": 0}
    postgres.stop()
    try:
        for _ in range(3):  # a pooled connection that has died, a new one that is refused, and the second of rest
            assert ask.refused(503, "POST", "/v1/events", tell(2))["code"] == "event_store_down"
        assert ask.get("/readyz")["status"] == "degraded"
        assert ask.post("/v1/recommend", {"user": 3})["events"] is False
    finally:
        postgres.start()
    monkeypatch.setattr(store, "_closed_until", 0.0)
    for number, answer in ((1, {"accepted": 0, "duplicates": 1}), (2, {"accepted": 1, "duplicates": 0})):
        assert ask.post("/v1/events", tell(number)) == answer
    assert ask.get("/readyz")["status"] == "ready"
    assert {line["id"] for line in ask.get("/v1/users/3/history?limit=2")["items"]} == {"Film 1", "Film 2"}
    service.close()
    store.close()
