"""Models that come and go while a service answers."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from motet.errors import ArtifactError, ConfigError
from motet.serve.http.app import create_app
from motet.serve.problem import Problem
from motet.serve.rollout import deployment as deployments
from motet.serve.rollout.deployment import Deployment
from motet.serve.rollout.plan import Wanted
from motet.serve.rollout.plan_store import PlanStore
from motet.serve.rollout.registry import Registry
from motet.serve.run import begin
from motet.serve.service import Service
from serve.conftest import Caller, films
from untrained import untrained

Asking = Callable[[], tuple[Service, Caller]]


def save(path: Path, seed: int) -> None:
    untrained(films(), seed=seed).save(path)


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("originals")
    for seed, name in enumerate("abc"):
        save(folder / name, seed)
    return folder


@pytest.fixture
def folder(originals: Path, tmp_path: Path) -> Path:
    """With the models a, b and c; a is what is served first."""
    folder = tmp_path / "models"
    shutil.copytree(originals, folder)
    begin(Registry([folder / "a"], folder), PlanStore(folder / ".serving"), [folder / "a"], [], {})
    return folder


@pytest.fixture
def asking(folder: Path) -> Iterator[Asking]:
    """Makes services that share a folder of models, each as in a process of its own."""
    services = []

    def make() -> tuple[Service, Caller]:
        deployment = Deployment(Registry([], folder), PlanStore(folder / ".serving"))
        service = Service(deployment.lineup, deployment=deployment)
        deployment.follow(service.show)
        services.append(service)
        return service, Caller(create_app(service))

    yield make
    for service in services:
        service.close()


def served(answer: dict[str, Any]) -> dict[str, float]:
    return {model["name"]: model["share"] for model in answer["models"]}


def change(ask: Caller, *names: str, **shares: float) -> dict[str, Any]:
    models = [{"name": name} for name in names] + [{"name": name, "share": part} for name, part in shares.items()]
    answer: dict[str, Any] = ask.post("/v1/models", {"models": models})
    return answer


def answers(ask: Caller) -> str:
    name: str = ask.post("/v1/recommend", {"user": 3})["model"]["name"]
    return name


def test_one_call_swaps_and_one_rolls_back(asking: Asking) -> None:
    _, ask = asking()
    assert answers(ask) == "a"
    version = ask.get("/v1/model")["version"]
    answer = change(ask, "b")
    assert (answer["generation"], served(answer)) == (2, {"b": 1.0})
    assert answers(ask) == "b"
    assert ask.get("/readyz")["model"] == ask.get("/v1/model")["version"] != version
    ask.refused(404, "POST", "/v1/recommend", {"user": 3, "model": "a"})
    assert served(ask.post("/v1/models/rollback", None)) == {"a": 1.0}
    assert ask.get("/v1/model")["version"] == version
    error = ask.refused(409, "POST", "/v1/models/rollback")
    assert error["message"] == "there is no earlier change to undo"


def test_models_share_the_users_and_each_user_keeps_to_one(asking: Asking) -> None:
    service, ask = asking()
    assert served(change(ask, "a", b=0.4)) == {"a": 0.6, "b": 0.4}
    users = [*range(1, 9), *(f"user {number}" for number in range(40))]
    together = ask.post("/v1/recommend", {"users": users, "k": 3, "exclude": ["nothing"], "reasons": True})
    drawn = {line["user"]: line["model"]["name"] for line in together["results"]}
    assert list(drawn) == users
    assert set(drawn.values()) == {"a", "b"}
    assert together["ignored"]["exclude"] == ["nothing"]
    for line in together["results"][::6]:
        alone = ask.post("/v1/recommend", {"user": str(line["user"]), "k": 3, "reasons": True})
        assert [item["id"] for item in alone["results"][0]["items"]] == [item["id"] for item in line["items"]]
        assert alone["model"] == line["model"]
        assert ask.post("/v1/score", {"user": line["user"], "items": ["Film 1"]})["model"] == line["model"]
    assert 'motet_users_answered_total{name="a"' in service.metrics.text().decode()
    for name in "ab":
        named = ask.post("/v1/recommend", {"users": users, "k": 1, "model": name})
        assert {line["model"]["name"] for line in named["results"]} == {name}
        assert ask.post("/v1/similar", {"item": "Film 1", "model": name})["model"]["name"] == name
        assert ask.get(f"/v1/model?model={name}")["name"] == name
    assert ask.get("/v1/model")["name"] == "a"
    error = ask.refused(404, "GET", "/v1/model?model=d")
    assert error["message"] == "no served model is called 'd'. Models: a, b."


def test_another_process_follows_once_it_can(
    asking: Asking, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="motet.serve")
    for name in ("INTERVAL_S", "RETRY_S"):
        monkeypatch.setattr(deployments, name, 0.01)
    (_, first), (second, _) = asking(), asking()
    assert second.deployment is not None
    load, failures = second.deployment.registry.load, [ArtifactError("not yet")]

    def loading(name: str, version: str) -> Any:
        if failures:
            raise failures.pop()
        return load(name, version)

    monkeypatch.setattr(second.deployment.registry, "load", loading)
    change(first, "b", c=0.5)
    until = time.monotonic() + 30
    while second.lineup.plan.generation < 2 and time.monotonic() < until:
        time.sleep(0.01)
    assert second.lineup.describe() == {key: first.get("/v1/model")[key] for key in ("generation", "models")}
    assert '"followed": false, "reason": "not yet"' in caplog.text


def test_what_requests_have_freed_is_given_back(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    given = threading.Event()
    for name in ("INTERVAL_S", "GIVE_BACK_S"):
        monkeypatch.setattr(deployments, name, 0.01)
    asking()
    monkeypatch.setattr(deployments, "give_back", given.set)
    assert given.wait(30)


def test_what_is_served_outlives_the_process(asking: Asking) -> None:
    change(asking()[1], "c", "b")
    _, ask = asking()
    assert served(ask.get("/v1/model")) == {"c": 0.5, "b": 0.5}
    assert served(ask.post("/v1/models/rollback", None)) == {"a": 1.0}


def test_only_what_is_listed_is_loaded(asking: Asking) -> None:
    _, ask = asking()
    for name in ("d", "../models/a", "./a", "/etc", ".serving", "a/", "A"):
        error = ask.refused(404, "POST", "/v1/models", {"models": [{"name": "a"}, {"name": name}]})
        assert error["message"].startswith(f"there is no model {name!r}")
        assert (error["code"], error["field"]) == ("not_found", "models.1.name")
    for name in ("", "a\u0000", "a" * 257):
        ask.refused(422, "POST", "/v1/models", {"models": [{"name": name}]})
    assert answers(ask) == "a"


def test_a_damaged_model_leaves_what_is_served(asking: Asking, folder: Path) -> None:
    _, ask = asking()
    file = folder / "b" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    error = ask.refused(422, "POST", "/v1/models", {"models": [{"name": "b"}]})
    assert "'model.safetensors'" in error["message"]
    assert "was changed" in error["message"]
    assert ask.get("/v1/model")["generation"] == 1
    assert answers(ask) == "a"


def test_a_model_that_was_replaced_in_its_folder(asking: Asking, folder: Path) -> None:
    _, ask = asking()
    before = ask.get("/v1/model")["version"]
    save(folder / "a", seed=7)
    after = change(ask, "a")["models"][0]["version"]
    assert after == ask.get("/v1/model")["version"] != before
    error = ask.refused(422, "POST", "/v1/models/rollback")
    assert f"the model 'a' was replaced: its folder now holds version {after}, not {before}" in error["message"]


def test_the_same_once_more_changes_nothing(asking: Asking) -> None:
    _, ask = asking()
    assert change(ask, "a")["generation"] == 1


def test_one_change_at_a_time(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    service, ask = asking()
    assert service.deployment is not None
    inner: list[dict[str, Any]] = []
    load = service.deployment.registry.load

    def loading(name: str, version: str) -> Any:
        inner.append(ask.refused(409, "POST", "/v1/models", {"models": [{"name": "c"}]}))
        assert answers(ask) == "a"  # while b is being loaded
        return load(name, version)

    monkeypatch.setattr(service.deployment.registry, "load", loading)
    assert served(change(ask, "b")) == {"b": 1.0}
    assert inner[0]["message"] == "another change is loading models; check /v1/model, and try again"


def test_somebody_elsewhere_was_quicker(asking: Asking, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service, _ = asking()
    assert service.deployment is not None
    service.deployment.close()
    plans = PlanStore(folder / ".serving")
    load = service.deployment.registry.load

    def loading(name: str, version: str) -> Any:
        plans.keep(plans.newest().changed([Wanted("c")], {"c": Registry([], folder).version("c")}))
        return load(name, version)

    monkeypatch.setattr(service.deployment.registry, "load", loading)
    with pytest.raises(Problem, match="another request changed what is served at the same time"):
        service.deployment.change([Wanted("b")])
    assert service.lineup.main.name == "a"
    monkeypatch.undo()
    service.deployment.look()
    assert service.lineup.main.name == "c"


def test_what_is_served_outlives_the_files_that_say_so(asking: Asking, folder: Path) -> None:
    (one, first), (other, _) = asking(), asking()
    for service in (one, other):
        assert service.deployment is not None
        service.deployment.close()
    shutil.rmtree(folder / ".serving")  # by whoever tidies temporary folders, or an operator
    for service in (one, other):
        service.deployment.look()
        assert service.lineup.main.name == "a"
    assert change(first, "b")["generation"] == 2
    other.deployment.look()
    assert other.lineup.main.name == "b"


def test_a_service_of_one_model_says_so(ask: Caller) -> None:
    for path, body in (("/v1/models", {"models": [{"name": "b"}]}), ("/v1/models/rollback", None)):
        error = ask.refused(503, "POST", path, body)
        assert error["message"] == "this service cannot change its model; start it with motet serve"


def test_shares_are_checked_where_they_come_in(asking: Asking) -> None:
    _, ask = asking()
    body = {"models": [{"name": "a", "share": 0.5}, {"name": "b", "share": 0.4}]}
    assert "the shares add up to 0.9" in ask.refused(422, "POST", "/v1/models", body)["message"]
    ask.refused(422, "POST", "/v1/models", {"models": [{"name": "a", "role": "spare"}]})
    ask.refused(422, "POST", "/v1/models", {"models": []})


def test_beginning(folder: Path, tmp_path: Path) -> None:
    plans = PlanStore(tmp_path / "state")
    registry = Registry([folder / "a", folder / "b", folder / "c"], None)
    plan = begin(registry, plans, [folder / "a", folder / "b"], [folder / "c"], {"b": 0.1})
    assert {place.name: (place.share, place.role) for place in plan.places} == {
        "a": (0.9, "live"),
        "b": (0.1, "live"),
        "c": (0.0, "shadow"),
    }
    assert begin(registry, plans, [], [], {}) == plan
    assert begin(registry, plans, [folder / "a"], [], {}).before == (plan.places,)


def test_beginning_with_the_only_model_there_is(originals: Path, tmp_path: Path) -> None:
    shutil.copytree(originals / "b", tmp_path / "models" / "b")
    plan = begin(Registry([], tmp_path / "models"), PlanStore(tmp_path / "state"), [], [], {})
    assert [place.name for place in plan.places] == ["b"]


def test_beginnings_that_break_a_rule(folder: Path, tmp_path: Path) -> None:
    plans, a = PlanStore(tmp_path / "state"), folder / "a"
    with pytest.raises(ConfigError, match="nothing was served from this folder before, and it has 3 models"):
        begin(Registry([], folder), plans, [], [], {})
    with pytest.raises(ConfigError, match="shares and shadows need models; name the models too"):
        begin(Registry([], folder), plans, [], [a], {})
    with pytest.raises(
        ConfigError, match="there is a share for 'aa', but no live model of that name; did you mean 'a'"
    ):
        begin(Registry([a], folder), plans, [a], [], {"aa": 1})
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"the change cannot be stored in .*file': .*; nothing was changed"):
        begin(Registry([a]), PlanStore(tmp_path / "file"), [a], [], {})
    with pytest.raises(ArtifactError, match=r"there is no saved model in .*nothing'; check the path"):
        begin(Registry([folder / "nothing"]), plans, [folder / "nothing"], [], {})


def test_a_model_whose_save_was_killed_between_its_two_renamings_is_found(folder: Path) -> None:
    names = list(Registry([], folder).models())
    (folder / "a").rename(folder / ".a.previous")
    assert list(Registry([], folder).models()) == names
    assert Registry([], folder).load("a", Registry([], folder).version("a")).name == "a"


def test_registries_that_break_a_rule(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere' is not a folder; give one that holds folders of saved models"):
        Registry([], tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="two models are called 'a'; rename the folder of one"):
        Registry([folder / "a", tmp_path / "a"])
    with pytest.raises(ConfigError, match=r"there is no model 'd'\. Models: a, b, c"):
        Registry([], folder).load("d", "1")
