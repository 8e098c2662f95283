"""The plan in force on disk."""

from __future__ import annotations

from pathlib import Path
from threading import Barrier, Thread

import pytest

from motet.artifact.sealed import seal
from motet.errors import ArtifactError
from motet.serve.problem import Problem
from motet.serve.rollout.plan import NOTHING, Plan, Wanted
from motet.serve.rollout.plan_store import PlanStore


def following(plan: Plan, name: str) -> Plan:
    return plan.changed([Wanted(name)], {name: "1"})


def test_nothing_was_kept(tmp_path: Path) -> None:
    plans = PlanStore(tmp_path / "none")
    assert plans.newest() == NOTHING
    assert plans.generation() == 0


def test_the_newest_is_in_force_and_older_ones_go(tmp_path: Path) -> None:
    plans, plan = PlanStore(tmp_path), NOTHING
    for name in "abc":
        plan = following(plan, name)
        plans.keep(plan)
        assert PlanStore(tmp_path).newest() == plan
    assert [file.name for file in tmp_path.iterdir()] == ["00000003.json"]


def test_a_file_that_no_plan_is_kept_in_is_none(tmp_path: Path) -> None:
    for name in ("7.json", "x.json"):
        (tmp_path / name).write_text("{}")
    plans = PlanStore(tmp_path)
    assert plans.generation() == 0  # or the file of a seventh plan would be waited for
    assert plans.newest() == NOTHING


def test_of_many_who_change_at_once_one_does(tmp_path: Path) -> None:
    plans, problems, together = [following(NOTHING, name) for name in "abcdefgh"], [], Barrier(8)

    def keep(plan: Plan) -> None:
        together.wait()
        try:
            PlanStore(tmp_path).keep(plan)
        except Problem as problem:
            problems.append((problem.status, str(problem)))

    threads = [Thread(target=keep, args=(plan,)) for plan in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (
        problems
        == [(409, "another request changed what is served at the same time; check /v1/model, and try again")] * 7
    )
    assert PlanStore(tmp_path).newest() in plans
    assert [file.name for file in tmp_path.iterdir()] == ["00000001.json"]


def test_a_change_is_refused_after_two_others_though_their_first_file_is_gone(tmp_path: Path) -> None:
    plans, first = PlanStore(tmp_path), following(NOTHING, "a")
    for plan in (first, following(first, "b"), following(following(first, "b"), "c")):
        plans.keep(plan)
    with pytest.raises(Problem, match="another request changed what is served at the same time"):
        plans.keep(following(first, "d"))
    assert [file.name for file in tmp_path.iterdir()] == ["00000003.json"]


def test_a_changed_file_is_refused_by_name(tmp_path: Path) -> None:
    plans = PlanStore(tmp_path)
    plans.keep(following(NOTHING, "a"))
    file = tmp_path / "00000001.json"
    file.write_text(file.read_text().replace('"a"', '"b"'))
    with pytest.raises(
        ArtifactError, match=r"00000001\.json' is damaged, or was .*; delete it, and name the models to"
    ):
        plans.newest()


@pytest.mark.parametrize("models", [None, 3, [], [[{"name": "a"}]], [[{"name": "a", "place": 1}]]])
def test_a_plan_of_another_version_is_refused_by_name(tmp_path: Path, models: object) -> None:
    document = {"generation": 1} if models is None else {"generation": 1, "models": models}
    (tmp_path / "00000001.json").write_bytes(seal(document))
    with pytest.raises(
        ArtifactError, match=r"00000001\.json' is .* or was written by another version of motet; delete it"
    ):
        PlanStore(tmp_path).newest()


def test_a_plan_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "00000001.json").mkdir()
    with pytest.raises(ArtifactError, match=r"00000001\.json' cannot be read: Is a directory; check who may read it"):
        PlanStore(tmp_path).newest()


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Problem, match=r"the change cannot be stored in .*file': .*; nothing was") as caught:
        PlanStore(tmp_path / "file").keep(following(NOTHING, "a"))
    assert caught.value.status == 503
