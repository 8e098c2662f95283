"""What a service answers."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest

from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.recommender import Recommender
from motet.serve.http.app import create_app
from motet.serve.models.served import ServedModel
from motet.serve.rollout.lineup import Lineup
from motet.serve.service import Service
from serve.conftest import Caller
from untrained import untrained


def ids(answer: dict[str, Any], user: int = 0) -> list[str]:
    return [item["id"] for item in answer["results"][user]["items"]]


def event(id: str, user: object, item: str, **more: object) -> dict[str, object]:
    return {"id": id, "user": user, "item": item, **more}


def test_recommend_says_what_the_library_says(ask: Caller, recommender: Recommender) -> None:
    answer = ask.post("/v1/recommend", {"user": 3, "k": 4})
    top = recommender.recommend(3, 4)
    assert ids(answer) == top.ids.tolist()
    assert [item["score"] for item in answer["results"][0]["items"]] == pytest.approx(top.scores.tolist())
    assert [item["tasks"]["stars"] for item in answer["results"][0]["items"]] == pytest.approx(
        top.tasks["stars"].tolist()
    )
    assert answer["model"] == {"name": "films", "version": "1"}
    assert answer["results"][0]["known"] is True
    assert answer["events"] is True


def test_ids_may_be_spelt_as_text(ask: Caller) -> None:
    assert ids(ask.post("/v1/recommend", {"user": "3"})) == ids(ask.post("/v1/recommend", {"user": 3}))


def test_many_users_are_answered_as_each_alone(ask: Caller) -> None:
    ask.post("/v1/events", {"events": [event("e1", 2, "Film 0"), event("e2", "new", "Film 1")]})
    asked = [1, "2", "new", "newer", 1]
    together = ask.post("/v1/recommend", {"users": asked, "k": 3})
    assert [line["user"] for line in together["results"]] == asked
    assert [line["known"] for line in together["results"]] == [True, True, False, False, True]
    for place, user in enumerate(asked):
        assert ids(together, place) == ids(ask.post("/v1/recommend", {"user": user, "k": 3}))


def test_k_above_the_catalogue_gives_what_there_is(ask: Caller) -> None:
    assert len(ids(ask.post("/v1/recommend", {"user": 3, "k": 1000, "exclude_seen": False}))) == 12


def test_an_unknown_user_is_served_and_said_so(ask: Caller) -> None:
    for user in ("nobody", 99, -(2**63), 2**63 - 1, "٣", "0003"):
        (result,) = ask.post("/v1/recommend", {"user": user})["results"]
        assert (result["user"], result["known"], result["basis"]) == (user, False, "popularity")
        assert len(result["items"]) == 10


def test_unknown_items_are_ignored_and_counted(ask: Caller) -> None:
    plain = ask.post("/v1/recommend", {"user": 3, "k": 3})
    answer = ask.post("/v1/recommend", {"user": 3, "k": 3, "exclude": ["Film X", ids(plain)[0], 7], "history": ["Y"]})
    assert ids(answer)[0] == ids(plain)[1]
    assert answer["ignored"] == {"exclude": ["Film X", 7], "only": [], "history": ["Y"]}


def test_only_and_where_hold_together(ask: Caller) -> None:
    found = ids(ask.post("/v1/recommend", {"user": 3, "exclude_seen": False, "where": {"genres": "jazz"}}))
    assert set(found) == {f"Film {number}" for number in range(1, 12, 2)}
    both = {"user": 3, "exclude_seen": False, "where": {"genres": "jazz"}, "only": ["Film 0", "Film 1", "Film ?"]}
    assert ids(ask.post("/v1/recommend", both)) == ["Film 1"]
    assert ids(ask.post("/v1/recommend", {"user": 3, "only": []})) == []
    assert ids(ask.post("/v1/recommend", {"user": 3, "where": {"year": {"min": 3000}}})) == []


def test_a_misspelt_column_is_named(ask: Caller) -> None:
    error = ask.refused(422, "POST", "/v1/recommend", {"user": 3, "where": {"genre": "war"}})
    assert error["field"] == "where.genre"
    assert "for where; did you mean 'genres'? Columns: title, genres, year, country" in error["message"]


def test_weights_reorder(ask: Caller, recommender: Recommender) -> None:
    answer = ask.post("/v1/recommend", {"user": 3, "by": {"stars": 1}, "k": 5})
    assert ids(answer) == recommender.recommend(3, 5, by={"stars": 1}).ids.tolist()
    error = ask.refused(422, "POST", "/v1/recommend", {"user": 3, "by": {"star": 1}})
    assert "by names 'star', which is no task of the model; did you mean 'stars'?" in error["message"]


def test_a_new_event_leaves_recommendations_at_once(ask: Caller) -> None:
    for user in (3, "nobody"):
        best = ids(ask.post("/v1/recommend", {"user": user}))[0]
        assert ask.post("/v1/events", {"events": [event(f"seen by {user}", user, best)]}) == {
            "accepted": 1,
            "duplicates": 0,
        }
        assert best not in ids(ask.post("/v1/recommend", {"user": user, "k": 12}))
        assert best in ids(ask.post("/v1/recommend", {"user": user, "k": 12, "exclude_seen": False}))


def test_a_stranger_with_events_is_no_stranger(ask: Caller) -> None:
    ask.post("/v1/events", {"events": [event("1", "nobody", "Film 1"), event("2", "nobody", "gone since")]})
    (result,) = ask.post("/v1/recommend", {"user": "nobody"})["results"]
    assert (result["known"], result["basis"]) == (False, "history")
    told = ask.post("/v1/recommend", {"user": "another", "history": ["Film 1"]})["results"][0]
    assert told["items"] == result["items"]


def test_an_event_sent_twice_is_stored_once(ask: Caller) -> None:
    body = {"events": [event("1", 3, "Film 1"), event("1", 3, "Film 1"), event("2", 3, "Film 2")]}
    assert ask.post("/v1/events", body) == {"accepted": 2, "duplicates": 1}
    assert ask.post("/v1/events", body) == {"accepted": 0, "duplicates": 3}


def test_history_of_the_log_and_since(ask: Caller, recommender: Recommender) -> None:
    moments = ["1970-01-01T00:30:00Z", "1970-01-01T00:30:01", None, 5.5]
    told = [event(str(place), 3, "Film 1", time=time, event="watch") for place, time in enumerate(moments)]
    ask.post("/v1/events", {"events": [{**told[0], "value": 2.5}, *told[1:]]})
    answer = ask.get("/v1/users/3/history")
    assert answer["known"] is True
    assert [line["time"] for line in answer["items"][:4]] == [1801.0, 1800.0, 1000.0, 5.5]
    assert answer["items"][1] == {"id": "Film 1", "event": "watch", "value": 2.5, "time": 1800.0}
    frame = recommender.log.frame()
    trained = frame.filter(frame["customer"] == 3).sort("at", descending=True)
    assert [line["id"] for line in answer["items"][4:]] == trained["title"].to_list()
    assert [line["value"] for line in answer["items"][4:]] == trained["stars"].to_list()
    assert answer["items"][4]["event"] == "stars"
    assert len(ask.get("/v1/users/3/history?limit=5")["items"]) == 5
    assert ask.get("/v1/users/no%20body/history") == {
        "user": "no body",
        "known": False,
        "items": [],
        "events": True,
    }


def test_score(ask: Caller, recommender: Recommender) -> None:
    answer = ask.post("/v1/score", {"user": "3", "items": ["Film 4", "Film 2"]})
    expected = recommender.predict(3, ["Film 4", "Film 2"])
    assert [line["id"] for line in answer["items"]] == ["Film 4", "Film 2"]
    assert [line["tasks"]["stars"] for line in answer["items"]] == pytest.approx(expected["stars"].tolist())
    assert answer["known"] is True
    assert ask.post("/v1/score", {"user": "nobody", "items": ["Film 4"]})["known"] is False
    error = ask.refused(404, "POST", "/v1/score", {"user": 3, "items": ["Film 4", "Film 44"]})
    assert error["message"] == "title 'Film 44' is not among the 12 the model knows"


def test_similar(ask: Caller, recommender: Recommender) -> None:
    answer = ask.post("/v1/similar", {"item": "Film 4", "k": 3})
    assert [item["id"] for item in answer["items"]] == recommender.similar_items("Film 4", 3).ids.tolist()
    assert len(ask.post("/v1/similar", {"user": "4", "k": 100})["items"]) == len(recommender.users) - 2
    ask.refused(404, "POST", "/v1/similar", {"item": "Film"})


def test_reasons_are_the_nearest_of_the_history(ask: Caller, recommender: Recommender) -> None:
    (result,) = ask.post("/v1/recommend", {"user": 3, "k": 2, "reasons": True})["results"]
    frame = recommender.log.frame()
    had = set(frame.filter(frame["customer"] == 3)["title"])
    for item in result["items"]:
        assert len(item["reasons"]) == min(3, len(had))
        assert {reason["id"] for reason in item["reasons"]} <= had
        similar = recommender.similar_items(item["id"], 11)
        cosines = dict(zip(similar.ids, similar.scores.tolist(), strict=True))
        assert item["reasons"][0]["similarity"] == pytest.approx(max(cosines[id] for id in had), abs=1e-5)
    (stranger,) = ask.post("/v1/recommend", {"user": "nobody", "reasons": True})["results"]
    assert all(item["reasons"] == [] for item in stranger["items"])


def test_items(ask: Caller) -> None:
    page = ask.get("/v1/items?limit=2&offset=10")
    assert page["total"] == 12
    assert [item["id"] for item in page["items"]] == ["Film 8", "Film 9"]
    assert page["items"][0] == {"id": "Film 8", "genres": ["war", "drama"], "year": 1988, "country": None}
    assert ask.get("/v1/items?search=PERU")["total"] == 4
    assert ask.get("/v1/items?search=film%2011")["items"][0]["year"] is None
    assert ask.get("/v1/items?ids=Film 3&ids=none&ids=Film 1")["total"] == 2
    assert ask.get("/v1/items?search=.*")["total"] == 0  # text, not a pattern


def test_an_item_has_its_own_id_beside_a_column_of_that_name_and_structures_stay_such() -> None:
    events = pl.DataFrame({"customer": [1, 2], "title": ["Alien", "Clue"]})
    table = pl.DataFrame(
        {"title": ["Alien", "Clue"], "id": [10, 11], "made": [{"year": 1979, "on": date(1979, 5, 25)}] * 2}
    )
    log = EventLog.read(events, Schema(user="customer", item="title"), items=table)
    service = Service(Lineup.alone(ServedModel(untrained(log))))
    assert Caller(create_app(service)).get("/v1/items?limit=1")["items"] == [
        {"id": "Alien", "made": {"year": 1979, "on": "1979-05-25"}}
    ]
    service.close()


def test_users(ask: Caller) -> None:
    page = ask.get("/v1/users")
    assert [user["id"] for user in page["users"]] == list(range(1, 9))
    assert sum(user["events"] for user in page["users"]) == 40
    assert ask.get("/v1/users?search=7")["users"][0]["id"] == 7


def test_map_has_its_widest_direction_first(ask: Caller) -> None:
    points = ask.get("/v1/map")["items"]
    assert len(points) == 12
    counts = [point["count"] for point in points]
    assert counts == sorted(counts, reverse=True)
    assert sum(point["x"] for point in points) == pytest.approx(0, abs=1e-6)
    assert sum(point["x"] ** 2 for point in points) >= sum(point["y"] ** 2 for point in points)
    few = ask.get("/v1/map?limit=3")["items"]
    for part in ("id", "count"):
        assert [point[part] for point in few] == [point[part] for point in points[:3]]
    for axis in ("x", "y"):  # products of another shape may round differently
        assert [point[axis] for point in few] == pytest.approx([point[axis] for point in points[:3]])


def test_model(ask: Caller) -> None:
    model = ask.get("/v1/model")
    assert (model["name"], model["items"], model["users"], model["preference"]) == ("films", 12, 8, False)
    assert [task["name"] for task in model["tasks"]] == ["retrieval", "stars"]
    assert model["models"] == [{"name": "films", "version": "1", "share": 1.0, "role": "live"}]
    assert ask.post("/v1/recommend", {"user": 1, "model": "films"})["model"]["name"] == "films"
    error = ask.refused(404, "POST", "/v1/recommend", {"user": 1, "model": "film"})
    assert error["message"] == "no served model is called 'film'; did you mean 'films'? Models: films."
    assert ask.refused(404, "GET", "/v1/report")["message"] == "the model has no report; motet export can add one"


def test_watching(ask: Caller) -> None:
    assert ask.get("/healthz") == {"status": "ok"}
    assert ask.get("/readyz") == {"status": "ready", "events": "up", "model": "1"}
    ask.post("/v1/recommend", {"user": 1})
    text = ask("GET", "/metrics").text
    assert 'motet_requests_total{method="POST",route="/v1/recommend",status="200"} 1.0' in text
    assert 'motet_model_info{name="films",version="1"} 1.0' in text
