"""What only a real GPU shows: its numbers beside those of the CPU, and what leaves it for a machine without one.

Tests run with deterministic algorithms there: see `conftest.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import astuple
from functools import partial
from pathlib import Path
from typing import get_args

import pytest
import torch
from tests.test_devices import BUILDS, ITEMS, USERS, Build, make_log, three, with_tasks

from motet import balancers, optim, tasks
from motet.balancers.gradient import Method
from motet.calibration import calibrate
from motet.data.log import EventLog
from motet.evaluation import evaluate
from motet.index import ExactIndex
from motet.model import Model
from motet.recommender import Recommender
from motet.towers import FeatureTower
from motet.train import fit

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

OWN_DRAWS = {"sampled", "levels"}  # of negatives, which each device draws by itself
SAME = {name: build for name, build in BUILDS.items() if name not in OWN_DRAWS}
ADAGRAD = lambda parameters: optim.Adagrad(parameters, lr=0.1)  # noqa: E731 - takes sparse gradients too
SOLVED = [method for method in get_args(Method) if method != "cagrad"]  # cagrad needs cvxpy


def trained(build: Build, log: EventLog, device: str, **settings: object) -> Model:
    torch.manual_seed(0)
    model = build(log)
    usual = {"epochs": 1, "batch_size": 64, "optimizer": ADAGRAD, "device": device, "progress": False}
    fit(model, log, **usual | settings)  # type: ignore[arg-type]
    return model


def weights(model: Model) -> dict[str, torch.Tensor]:
    return {name: value.cpu() for name, value in model.state_dict().items()}


def assert_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    for name in one:  # NaN stands for losses of no epoch
        torch.testing.assert_close(one[name], other[name], atol=0, rtol=0, equal_nan=True, msg=name)


def assert_close(one: Model, other: Model, *, atol: float) -> None:
    for (name, left), right in zip(weights(one).items(), weights(other).values(), strict=True):
        torch.testing.assert_close(
            left, right, atol=atol, rtol=1e-3, equal_nan=True, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.mark.parametrize("build", SAME.values(), ids=SAME)
def test_a_gpu_trains_the_model_of_the_cpu(build: Build) -> None:
    log = make_log()

    assert_close(trained(build, log, "cuda"), trained(build, log, "cpu"), atol=1e-4)


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_the_same_seed_gives_the_same_model_where_torch_adds_in_one_order(build: Build) -> None:
    log = make_log()
    settings = {"average": 0.9, "clip_norm": 1.0}
    first, second = (weights(trained(build, log, "cuda", **settings)) for _ in range(2))

    assert_equal(first, second)


def test_an_interrupted_training_resumes_as_if_it_had_not_been(tmp_path: Path) -> None:
    log, build = make_log(), BUILDS["sampled"]
    kept = {"checkpoint": tmp_path / "checkpoint", "resume": True}
    trained(build, log, "cuda", **kept)
    resumed, whole = trained(build, log, "cuda", epochs=2, **kept), trained(build, log, "cuda", epochs=2)

    assert_equal(weights(resumed), weights(whole))


@pytest.mark.parametrize(("first", "then"), [("cuda", "cpu"), ("cpu", "cuda")])
def test_a_training_resumes_on_the_other_device(first: str, then: str, tmp_path: Path) -> None:
    log, build, kept = make_log(), with_tasks(three), {"checkpoint": tmp_path / "checkpoint", "resume": True}
    for settings in ({}, {"average": 0.9, "optimizer": torch.optim.Adam}):
        kept["checkpoint"] = tmp_path / f"checkpoint-{len(settings)}"
        trained(build, log, first, **kept, **settings)
        moved = trained(build, log, then, epochs=2, **kept, **settings)

        assert_close(moved, trained(build, log, "cpu", epochs=2, **settings), atol=1e-2 if settings else 1e-4)


def test_products_in_bfloat16_train_nearly_the_same_model() -> None:
    log, build = make_log(), with_tasks(lambda: [tasks.Retrieval(pool=tasks.Catalogue()), *three()[1:]])

    assert_close(trained(build, log, "cuda", precision="bfloat16"), trained(build, log, "cuda"), atol=0.1)


@pytest.mark.parametrize("method", SOLVED)
def test_gradients_are_combined_as_on_the_cpu(method: Method) -> None:
    def build(log: EventLog) -> Model:
        user, item = FeatureTower(log.users, dim=4), FeatureTower(log.items, dim=4)
        return Model(user=user, item=item, tasks=three(), balancer=balancers.GradientBalancer(method))

    log = make_log()
    assert_close(trained(build, log, "cuda"), trained(build, log, "cpu"), atol=1e-3)


def test_sparse_tables_train_as_dense_ones() -> None:
    def build(log: EventLog, *, sparse: bool) -> Model:
        user, item = (FeatureTower(side, dim=4, sparse=sparse) for side in (log.users, log.items))
        return Model(user=user, item=item, tasks=three())

    log = make_log()
    one, other = (trained(partial(build, sparse=sparse), log, "cuda", clip_norm=1.0) for sparse in (True, False))

    assert_close(one, other, atol=1e-4)


@pytest.mark.parametrize("name", ["funnel", "lists", "whole catalogue", "history", "attention", "pretrained"])
def test_evaluation_and_calibration_are_those_of_the_cpu(name: str) -> None:
    log = make_log()
    train, test = log.take(slice(0, 120)), log.take(slice(120, None))
    model = trained(BUILDS[name], train, "cpu")
    reports, lines = [], []
    for device in ("cpu", "cuda"):
        model.to(device)
        lines.append(calibrate(model, test))
        reports.append(evaluate(Recommender(model, train), test, train=train, slices=["users"], baselines=False))

    assert dict(reports[1].items()) == pytest.approx(dict(reports[0].items()), rel=1e-3, abs=1e-4, nan_ok=True)
    for key, line in lines[0].items():
        assert astuple(lines[1][key]) == pytest.approx(astuple(line), rel=1e-3, abs=1e-3)


def test_an_exact_index_finds_the_rows_of_the_cpu_in_their_order() -> None:
    draw = torch.Generator().manual_seed(0)  # small whole numbers: scores are exact, and many are equal
    vectors, queries = (torch.randint(-3, 4, (rows, 8), generator=draw).float() for rows in (60_000, 50))
    exclude, only = [torch.arange(row, 60_000, 7) for row in range(50)], torch.arange(0, 60_000, 3)
    here, there = ExactIndex(vectors), ExactIndex(vectors.cuda())
    here.remove(torch.tensor([9, 90]))
    there.remove(torch.tensor([9, 90]))

    for k in (10, 500):
        for asked in ({}, {"exclude": exclude}, {"only": only}, {"exclude": exclude[0], "only": only}):
            expected, found = here.search(queries, k, **asked), there.search(queries.cuda(), k, **asked)  # type: ignore[arg-type]
            assert found.rows.cpu().equal(expected.rows)
            assert found.scores.cpu().equal(expected.scores)


ELSEWHERE = """
import sys, torch
from motet import Recommender, export
assert not torch.cuda.is_available()
again = Recommender.load(sys.argv[1])
assert again.scorer.device.type == "cpu"
print(again.recommend([1, 2], k=5).ids.tolist())
export.export(sys.argv[1], sys.argv[1] + ".artifact", onnx=False)
"""


def test_a_saved_model_is_loaded_and_exported_without_a_gpu(tmp_path: Path) -> None:
    log = make_log()
    recommender = Recommender(trained(with_tasks(three), log, "cuda"), log)
    recommender.save(tmp_path / "model")
    asked = [sys.executable, "-c", ELSEWHERE, str(tmp_path / "model")]
    found = subprocess.run(
        asked, env=os.environ | {"CUDA_VISIBLE_DEVICES": ""}, capture_output=True, text=True, check=False
    )

    assert found.stdout.strip() == str(recommender.recommend([1, 2], k=5).ids.tolist()), found.stderr
    assert len(log.users) == 1 + USERS
    assert len(log.items) == 1 + ITEMS
