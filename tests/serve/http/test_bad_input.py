"""Whatever is asked, the answer is JSON in the shape of an error, and never a traceback."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from unittest.mock import ANY

import pytest
from pydantic import ValidationError

from motet.serve.bodies import EventsBody, RecommendBody
from motet.serve.events.store import EventStore
from motet.serve.http.app import create_app
from motet.serve.models.served import ServedModel
from motet.serve.rollout.lineup import Lineup
from motet.serve.service import Service
from serve.conftest import Caller

EVENT = {"id": "1", "user": 3, "item": "Film 1"}
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("path", "body", "field", "message"),
    [
        ("recommend", {"user": 3, "k": 0}, "k", "k: Input should be greater than or equal to 1"),
        ("recommend", {"user": 3, "k": 1001}, "k", "k: Input should be less than or equal to 1000"),
        ("recommend", {"user": 3, "k": "5"}, "k", "k: Input should be a valid integer"),
        ("recommend", {"user": 3, "kk": 5}, "kk", "kk: no field 'kk'; did you mean 'k'? Fields: preference"),
        ("recommend", {}, None, 'give either "user", one id, or "users", a list of ids'),
        ("recommend", {"user": 3, "users": [3]}, None, 'give either "user", one id, or "users"'),
        ("recommend", {"users": []}, "users", "users: List should have at least 1 item"),
        ("recommend", {"users": list(range(101))}, "users", "users: List should have at most 100 items"),
        ("recommend", {"users": [1, 2], "features": {"age": 3}}, None, '"features" belong to a single user'),
        (
            "recommend",
            {"users": list(range(100)), "candidates": 1_001},
            None,
            '100 users times 1,001 "candidates" are 100,100, and at most 100,000 are allowed; ask for fewer users',
        ),
        (
            "recommend",
            {"users": [1, 2], "history": ["Film 1"] * 5_001},
            None,
            '2 users times 5,001 "history" are 10,002, and at most 10,000 are allowed; ask for fewer users at a time',
        ),
        ("recommend", {"user": 1.5}, "user", "user"),
        ("recommend", {"user": True}, "user", "user"),
        ("recommend", {"user": 2**63}, "user", "user"),
        ("recommend", {"user": ""}, "user", "user"),
        ("recommend", {"user": "a\x00b"}, "user", "user: text must not contain the character U+0000"),
        ("recommend", {"user": "x" * 257}, "user", "user"),
        ("recommend", {"user": None}, None, "give either"),
        ("recommend", {"user": 3, "by": {"stars": "much"}}, "by.stars", "by.stars: Input should be a valid number"),
        ("recommend", {"user": 3, "by": {}}, "by", "every task has weight 0"),
        ("recommend", {"user": 3, "preference": {"stars": 1}}, "preference", "without a Preference"),
        ("recommend", {"user": 3, "features": {"age": 3}}, "features", "reads no features"),
        ("recommend", {"user": 3, "where": {"year": "1980"}}, "where.year", "with '1980', but it holds Int64"),
        ("recommend", {"user": 3, "where": {"year": {"min": "x"}}}, "where.year", "with 'x', but it holds Int64"),
        ("recommend", {"user": 3, "where": {"genres": [1]}}, "where.genres", "with 1, but it holds List(String)"),
        ("recommend", {"user": 3, "where": {"year": {"mi": 1}}}, "where.year.mi", "no field 'mi'; did you mean 'min'?"),
        ("recommend", {"user": 3, "where": {"year": None}}, "where.year", "Input should be a valid object or a valid"),
        ("events", {"events": [{**EVENT, "evnt": "x"}]}, "events.0.evnt", "no field 'evnt'; did you mean 'event'?"),
        ("events", {"events": [{**EVENT, "time": 1.7e12}]}, "events.0.time", "seconds since 1970, at most 253,402,300"),
        ("score", {"user": 3, "items": ["Film 1"], "features": {"age": 3}}, "features", "reads no features"),
        ("score", {"user": 3, "items": ["Film 1"], "preference": {"stars": 1}}, "preference", "without a Preference"),
        ("score", {"user": 3, "items": []}, "items", "items: List should have at least 1 item"),
        ("similar", {}, None, 'give either "item" or "user"'),
        ("events", {"events": []}, "events", "events: List should have at least 1 item"),
        ("events", {"events": [{"id": "1", "user": 3}]}, "events.0.item", "events.0.item: Field required"),
        ("events", {"events": [{**EVENT, "value": True}]}, "events.0.value", "Input should be a valid number"),
        ("events", {"events": [{**EVENT, "time": "12"}]}, "events.0.time", "write a number, or a time such as 2026"),
        ("events", {"events": [{**EVENT, "time": True}]}, "events.0.time", "write a number, or a time such as 2026"),
        ("recommend", {"user": 3, "by": {"stars": "1"}}, "by.stars", "by.stars: Input should be a valid number"),
    ],
)
def test_a_body_that_breaks_a_rule(ask: Caller, path: str, body: object, field: str | None, message: str) -> None:
    error = ask.refused(422, "POST", f"/v1/{path}", body)
    assert message in error["message"]
    assert error["code"] == "invalid"
    assert (error["field"] or "").startswith(field or "")
    assert (error["field"] is None) == (field is None)


@pytest.mark.parametrize(
    "body",
    [b"{", b"", b"[" * 100_000, b'{"user": 3,}', b"\xff\xfe{", '{"user": "é"}'.encode("latin-1"), b"{'user': 3}"],
    ids=["open", "empty", "deep", "comma", "bytes", "latin-1", "quotes"],
)
def test_a_body_that_is_no_json(ask: Caller, body: bytes) -> None:
    answer = ask("POST", "/v1/recommend", content=body, headers=JSON)
    assert answer.status_code in (400, 422)
    assert set(answer.json()["error"]) == {"code", "message", "field"}


@pytest.mark.parametrize(
    "body",
    [
        '{"user": 3, "by": {"stars": NaN}}',
        '{"user": 3, "by": {"stars": Infinity}}',
        '{"user": 3, "by": {"stars": 1e999}}',
        '{"user": 3, "features": {"age": NaN}}',
        '{"user": 3, "where": {"year": {"min": NaN}}}',
        '{"user": "\\ud800"}',
        '{"user": 3, "\\ud800": 1}',
        '{"user": 3, "where": {"\\ud800": 1}}',
        '{"user": 3, "exclude": ["\\ud800"]}',
        '{"user": 3, "where": {"title": {"min": "\\ud800"}}}',
        '{"user": 1' + "0" * 5000 + "}",
        "[]",
        "3",
        "null",
        '"text"',
    ],
)
def test_json_that_no_body_may_hold(ask: Caller, body: str) -> None:
    answer = ask("POST", "/v1/recommend", content=body.encode(), headers=JSON)
    assert answer.status_code in (400, 422), answer.text
    assert set(answer.json()["error"]) == {"code", "message", "field"}


@pytest.mark.parametrize(
    ("body", "headers", "status", "message"),
    [
        # A form of another site cannot send JSON: browsers ask first before they send it elsewhere.
        (b'{"user": 3}', {"Content-Type": "text/plain"}, 422, "the body came with the Content-Type 'text/plain'; send"),
        (b'{"user": 3}', {}, 422, "the body came without a Content-Type; send JSON with the header Content-Type"),
        (b"", JSON, 422, "the body is empty; send a JSON object"),
        (b"[]", JSON, 422, "the body is JSON, but not an object; send one, such as those in /docs"),
        (b"[" * 100_000, JSON, 400, "the body cannot be read: it is nested too deeply, or a number in it has too many"),
        (gzip.compress(b"{}"), {**JSON, "Content-Encoding": "gzip"}, 400, "the Content-Encoding 'gzip'; send it with"),
        (b"\xff", JSON, 400, "the body is not JSON: "),
        ('{"user": "é"}'.encode("latin-1"), JSON, 400, "the body is not JSON: it is not written in UTF-8"),
    ],
)
def test_a_body_that_is_no_object(ask: Caller, body: bytes, headers: dict[str, str], status: int, message: str) -> None:
    error = ask.refused(status, "POST", "/v1/recommend", content=body, headers=headers)
    assert message in error["message"]


def test_of_a_list_of_wrong_values_the_first_is_told(ask: Caller) -> None:
    """To describe each of a hundred thousand took seconds, in which nobody else was answered."""
    wrong: list[object] = [[]] * 1_000
    body = {"users": [None] * 100, "exclude": wrong, "features": {str(number): wrong for number in range(100)}}
    with pytest.raises(ValidationError) as caught:
        RecommendBody.model_validate({**body, "where": {str(number): wrong for number in range(20)}})
    assert caught.value.error_count() < 1_000
    events = [{"id": 1, "user": {}, "item": []}] * 1_000
    with pytest.raises(ValidationError) as caught:
        EventsBody.model_validate({"events": events})
    assert caught.value.error_count() < 10
    assert ask.refused(422, "POST", "/v1/events", {"events": events})["field"] == "events.0.id"


def test_a_large_body(ask: Caller) -> None:
    error = ask.refused(413, "POST", "/v1/recommend", content=b" " * (1 << 20) + b"{}", headers=JSON)
    assert error["message"] == "the body has more than 1,048,576 bytes; send less at a time"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/items?limit=0",
        "/v1/items?limit=x",
        "/v1/items?offset=-1",
        "/v1/map?limit=20001",
        "/v1/users/a%00b/history",
        "/v1/users/" + "x" * 257 + "/history",
    ],
)
def test_a_query_that_breaks_a_rule(ask: Caller, path: str) -> None:
    ask.refused(422, "GET", path)


def test_a_parameter_that_a_route_does_not_have(ask: Caller) -> None:
    error = ask.refused(422, "GET", "/v1/items?serach=x")
    assert error["message"] == "no parameter 'serach'; did you mean 'search'? Parameters: search, limit, offset, ids."
    assert error["field"] == "serach"
    error = ask.refused(422, "POST", "/v1/recommend?k=3", {"user": 3})
    assert error["message"] == "no parameter 'k'. This route takes none."


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/v1/nothing",
        "/../pyproject.toml",
        "/%2e%2e/pages.py",
        "/..%2fpages.py",
        "//etc/passwd",
        "/v1/users/3",
    ],
)
def test_a_path_that_leads_nowhere(ask: Caller, path: str) -> None:
    error = ask.refused(404, "GET", path)
    assert error["code"] == "not_found"
    assert error["message"] == "there is nothing at this path; /docs lists all paths"


def test_a_wrong_method(ask: Caller) -> None:
    error = ask.refused(405, "GET", "/v1/recommend")
    assert error["code"] == "method_not_allowed"
    assert error["message"] == "this path does not take GET but POST"
    ask.refused(405, "DELETE", "/v1/items")


def test_a_mistake_of_ours_is_answered_without_its_traceback_and_logged_without_people(
    ask: Caller, service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("user 3 is secret")

    monkeypatch.setattr(service, "recommend", fail)
    with caplog.at_level("INFO", logger="motet.serve"):
        error = ask.refused(500, "POST", "/v1/recommend", {"user": 3})
    assert error == {"code": "internal", "message": "the service failed; its log says where", "field": None}
    said = json.loads(caplog.messages[0])
    assert said["kind"] == "RuntimeError"
    assert said["where"][-1].endswith(" fail")
    assert "secret" not in caplog.text


def test_without_its_database_a_service_serves_and_takes_no_events(served: ServedModel, tmp_path: Path) -> None:
    service = Service(Lineup.alone(served), store=EventStore(str(tmp_path / "missing" / "events.db")))
    ask = Caller(create_app(service))
    body = {"events": [{"id": "1", "user": 3, "item": "Film 1"}]}
    error = ask.refused(503, "POST", "/v1/events", body)
    assert error["code"] == "event_store_down"
    assert error["message"] == "the event store does not answer, and the events were not stored; send them again"
    assert ask("POST", "/v1/events", body).headers["Retry-After"] == "1"
    assert ask.get("/readyz") == {"status": "degraded", "events": "down", "model": "1"}
    answer = ask.post("/v1/recommend", {"user": 3})
    assert answer["events"] is False
    assert len(answer["results"][0]["items"]) > 0
    history = ask.get("/v1/users/3/history")
    assert history["known"] is True
    assert history["events"] is False
    (tmp_path / "missing").mkdir()
    assert service.store is not None
    service.store._closed_until = 0.0  # the second until it tries again is over
    assert ask.get("/readyz")["status"] == "ready"
    assert ask.post("/v1/events", body) == {"accepted": 1, "duplicates": 0}
    later = ask.get("/v1/users/3/history")
    assert later["events"] is True
    assert later["items"] == [{"id": "Film 1", "event": None, "value": None, "time": ANY}, *history["items"]]
    service.gate.close()
    service.store.close()


def test_a_service_that_keeps_no_events(served: ServedModel) -> None:
    service = Service(Lineup.alone(served))
    ask = Caller(create_app(service))
    error = ask.refused(503, "POST", "/v1/events", {"events": [{"id": "1", "user": 3, "item": "Film 1"}]})
    assert error["message"] == "this service stores no events; start it with --events"
    assert ask.get("/readyz")["events"] == "none"
    assert ask.post("/v1/recommend", {"user": 3})["events"] is False
    history = ask.get("/v1/users/3/history")
    assert (history["known"], history["events"]) == (True, False)
    service.gate.close()
