"""The description of the service says what the service does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import polars as pl
import pytest

from motet.client import answers
from motet.client.answers import Answer
from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.serve.models.served import ServedModel
from serve.conftest import Caller
from untrained import untrained

ANSWERS = {
    "POST /v1/recommend": answers.Recommendations,
    "POST /v1/score": answers.Scores,
    "POST /v1/similar": answers.Neighbours,
    "POST /v1/events": answers.Added,
    "GET /v1/items": answers.Items,
    "GET /v1/users": answers.Users,
    "GET /v1/users/1/history": answers.History,
    "GET /v1/map": answers.Map,
    "GET /v1/model": answers.ModelCard,
    "GET /healthz": answers.Health,
    "GET /readyz": answers.Readiness,
}


@pytest.fixture(scope="module")
def served() -> ServedModel:
    """The films of the examples."""
    titles, genres = ["Alien", "Brazil", "Clue", "Diva"], ["horror", "satire", "comedy", "crime"]
    watched = pl.DataFrame({"user_id": [1, 1, 2, 2, 3], "film": [*titles, "Diva"], "stars": [5, 3, 4, 4, 2]})
    films = pl.DataFrame({"film": titles, "genre": genres})
    log = EventLog.read(watched, Schema(item="film", signals=("stars",)), items=films)
    return ServedModel(untrained(log), name="films")


@pytest.fixture
def document(ask: Caller) -> dict[str, Any]:
    """What the service says of itself; an event was told, which the history begins with."""
    ask.post("/v1/events", {"events": [{"id": "0", "user": 1, "item": "Alien", "event": "watch", "value": 4.0}]})
    described: dict[str, Any] = ask.get("/openapi.json")
    return described


def operation(document: dict[str, Any], route: str) -> dict[str, Any]:
    method, path = route.split()
    described: dict[str, Any] = document["paths"][path.replace("users/1", "users/{user}")][method.lower()]
    return described


def example(document: dict[str, Any], content: dict[str, Any]) -> Any:
    name = content["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    (shown,) = document["components"]["schemas"][name]["examples"]
    return shown


def alike(answer: Any, example: Any) -> bool:
    """Whether fields and types are the same; a list is judged by its first member, and null may stand for anything."""
    if answer is None:
        return True
    if isinstance(answer, dict):
        same = answer.keys() == example.keys()
        return same and all(alike(answer[name], example[name]) for name in answer)
    if isinstance(answer, list):
        return all(map(alike, answer[:1], example[:1]))
    return type(answer) is type(example) or {type(answer), type(example)} == {int, float}


@pytest.mark.parametrize("route", ANSWERS)
def test_an_example_asked_for_is_answered_in_the_shape_of_the_example(
    ask: Caller, document: dict[str, Any], route: str
) -> None:
    described = operation(document, route)
    asked = example(document, described["requestBody"]) if route.startswith("POST") else None
    answer = ask(*route.split(), asked)
    assert answer.status_code == 200, answer.text
    expected = example(document, described["responses"]["200"]) if ANSWERS[route] is not answers.Health else {}
    assert alike(answer.json(), expected or {"status": "ok"})
    if expected:
        described_by = described["responses"]["200"]["content"]["application/json"]["schema"]
        jsonschema.validate(expected, {**described_by, "components": document["components"]})


@pytest.mark.parametrize(("route", "kind"), ANSWERS.items())
def test_answers_obey_their_description_and_say_no_more(
    ask: Caller, document: dict[str, Any], route: str, kind: type[Answer]
) -> None:
    described = operation(document, route)
    asked = example(document, described["requestBody"]) if route.startswith("POST") else None
    answer = ask(*route.split(), asked).json()
    schema = described["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.validate(answer, {**schema, "components": document["components"]})
    assert kind.model_validate(answer).model_dump(exclude_unset=True) == answer


def test_every_route_says_its_answer_and_its_errors(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for described in methods.values():
            success = next(iter(described["responses"]["200"]["content"].values()))
            assert success["schema"] != {}, path
            refused = [said for status, said in described["responses"].items() if status != "200"]
            for said in refused:
                assert said["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Refusal"}, path
            assert refused or path == "/healthz"


def test_the_guide_asks_every_route(document: dict[str, Any]) -> None:
    """With curl, in blocks that `tests/test_docs.py` runs."""
    guide = (Path(__file__).parents[3] / "docs" / "guide" / "serving.md").read_text(encoding="utf-8")
    blocks = "".join(re.findall(r"^```bash\n(.*?)^```$", guide, re.DOTALL | re.MULTILINE))
    for path in document["paths"]:
        assert re.search(rf"\b{path.removeprefix('/v1').strip('/').replace('{user}', '1')}\b", blocks), path


def test_refusals_obey_their_description(ask: Caller, document: dict[str, Any]) -> None:
    schema = {"$ref": "#/components/schemas/Refusal", "components": document["components"]}
    error = ask("POST", "/v1/recommend", {"user": 1, "model": "film"}).json()
    jsonschema.validate(error, schema)
    assert answers.Refusal.model_validate(error).model_dump() == error
    for described in (part for methods in document["paths"].values() for part in methods.values()):
        for status, said in described["responses"].items():
            if status != "200":
                jsonschema.validate(said["content"]["application/json"]["example"], schema)


def test_an_answer_about_many_users_has_no_items_of_its_own(ask: Caller) -> None:
    answer = answers.Recommendations.model_validate(ask.post("/v1/recommend", {"users": [1, 2]}))
    with pytest.raises(
        answers.ConfigError, match="this answer is about 2 users; read the items of each of its results"
    ):
        answer.items  # noqa: B018
