"""fit: the loop, its history, its stops and its starts."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from torch import Tensor

from motet import train as training
from motet.data import split
from motet.data.batch import Batch
from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.early_stopping import EarlyStopping
from motet.errors import ConfigError, DataError, TrainingError
from motet.model import Model
from motet.optim import Adagrad
from motet.tasks import InBatch, Rating, Retrieval
from motet.towers import FeatureTower
from motet.train import fit
from motet.trunks import PLE


@pytest.fixture(scope="module")
def log() -> EventLog:
    """Two tastes: even users like even items."""
    pairs = [(user, item) for user, item in itertools.product(range(20), range(15)) if (3 * user + item) % 4]
    events = {
        "user_id": [user for user, _ in pairs],
        "item_id": [item for _, item in pairs],
        "rating": [5.0 if (user + item) % 2 == 0 else 1.0 for user, item in pairs],
    }
    return EventLog.read(pl.DataFrame(events), Schema(signals=("rating",)))


def model_of(log: EventLog, kind: type[Model] = Model, **arguments: Any) -> Model:
    torch.manual_seed(1)
    arguments.setdefault("tasks", [Retrieval(pool=InBatch(extra={"uniform": 3})), Rating(hidden=(8,))])
    return kind(
        user=FeatureTower(log.users, dim=8, dropout=0.1, sparse=arguments.pop("sparse", False)),
        item=FeatureTower(log.items, dim=8),
        **arguments,
    )


def train(model: Model, log: EventLog, **arguments: Any) -> pl.DataFrame:
    return fit(
        model, log, **{"epochs": 3, "batch_size": 50, "seed": 3, "device": "cpu", "progress": False, **arguments}
    )


def same(a: Model, b: Model) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_it_learns_the_tastes(log: EventLog) -> None:
    model = model_of(log, weights={"retrieval": 4.0})
    history = train(model, log, epochs=60, optimizer=lambda p: torch.optim.Adam(p, lr=0.03))
    assert history["loss/rating"][-1] < 0.5 < history["loss/rating"][0]
    scores = model.score(log.batch())["rating"]
    liked = log.batch()["rating"] > 3
    assert scores[liked].min() > scores[~liked].max()
    assert not model.training


def test_history_has_a_row_an_epoch_with_means_over_rows(log: EventLog) -> None:
    model = model_of(log)
    history = train(model, log, optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.0), validation=log)
    assert history["epoch"].to_list() == [1, 2, 3]
    assert {"seconds", "loss/retrieval", "loss/rating", "validation/rating/rmse"} <= set(history.columns)
    # nothing moved, so that the mean over all batches is the loss of the whole log, last small batch included
    whole = model.losses(log.batch())["rating"].item()
    model_without_dropout = history["validation/rating/rmse"][0] ** 2
    assert model_without_dropout == pytest.approx(whole, rel=1e-5)
    assert history["loss/rating"][0] == pytest.approx(whole, rel=0.05)


def test_history_has_means_over_rows_of_a_task_that_sums(log: EventLog) -> None:
    still = {"optimizer": lambda parameters: torch.optim.SGD(parameters, lr=0.0), "batch_size": 100}
    histories = []
    for reduction in ("mean", "sum"):
        task = Rating(hidden=())
        task.reduction = reduction  # type: ignore[assignment]
        histories.append(train(model_of(log, tasks=[task]), log, epochs=1, **still)["loss/rating"][0])
    assert histories[0] == pytest.approx(histories[1], rel=1e-5)


def test_history_has_a_figure_that_first_appears_late(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Polars would take the columns of a table from its first 100 rows."""
    figures = iter([{"loss/rating": 1.0}] * 100 + [{"loss/rating": 1.0, "loss/rare": 2.0}])
    monkeypatch.setattr(training, "_train_epoch", lambda *_: next(figures))
    assert train(model_of(log), log, epochs=101)["loss/rare"].to_list() == [None] * 100 + [2.0]


def test_a_seed_gives_the_same_weights_twice_and_leaves_the_callers_random_state_alone(log: EventLog) -> None:
    models = [model_of(log) for _ in range(3)]
    before = torch.get_rng_state()
    for model, seed in zip(models, (3, 3, 4), strict=True):
        train(model, log, seed=seed)
    assert torch.equal(torch.get_rng_state(), before)
    assert same(models[0], models[1])
    assert not same(models[0], models[2])


@pytest.mark.parametrize("average", [None, 0.9])
@pytest.mark.parametrize("early_stopping", [None, EarlyStopping("rating/rmse", patience=50)])
def test_resuming_ends_at_the_same_bits(
    log: EventLog, tmp_path: Path, average: float | None, early_stopping: EarlyStopping | None
) -> None:
    arguments = {"average": average, "early_stopping": early_stopping, "validation": log if early_stopping else None}
    whole = model_of(log)
    history = train(whole, log, epochs=5, **arguments)
    checkpoint = tmp_path / "run.safetensors"
    train(model_of(log), log, epochs=2, checkpoint=checkpoint, **arguments)
    resumed = model_of(log)
    continued = train(resumed, log, epochs=5, checkpoint=checkpoint, resume=True, **arguments)
    assert same(whole, resumed)
    assert history.drop("seconds").equals(continued.drop("seconds"))


def test_history_says_which_experts_a_task_hears_in_each_epoch_and_resumes(log: EventLog, tmp_path: Path) -> None:
    def model() -> Model:
        return model_of(log, trunk=PLE(shared=2, own=1, hidden=(4,)))

    whole = model()
    history = train(whole, log, epochs=3, validation=log)
    shares = history.select("^gate/rating/.*$")
    assert shares.columns == ["gate/rating/own1", "gate/rating/shared1", "gate/rating/shared2"]
    assert shares.sum_horizontal().to_list() == pytest.approx([1.0] * 3)
    assert shares.is_unique().all()
    # what resumes counts from its own first epoch on, and so would differ if an epoch counted those before it
    checkpoint = tmp_path / "run.safetensors"
    train(model(), log, epochs=1, checkpoint=checkpoint, validation=log)
    resumed = model()
    continued = train(resumed, log, epochs=3, checkpoint=checkpoint, resume=True, validation=log)
    assert same(whole, resumed)
    assert history.drop("seconds").equals(continued.drop("seconds"))


def test_early_stopping_keeps_the_best_epoch(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = iter([3.0, 2.0, 2.5, 2.4, 9.9, 9.9])
    seen: list[dict[str, Tensor]] = []

    def evaluate(model: Model, *_: object, **__: object) -> dict[str, float]:
        seen.append({name: value.clone() for name, value in model.state_dict().items()})
        return {"rating/rmse": next(figures)}

    monkeypatch.setattr(training, "evaluate", evaluate)
    model = model_of(log)
    history = train(model, log, epochs=6, validation=log, early_stopping=EarlyStopping("rating/rmse", patience=2))
    assert len(history) == 4
    assert all(torch.equal(value, seen[1][name]) for name, value in model.state_dict().items())


def test_higher_is_better_unless_it_is_an_error() -> None:
    assert EarlyStopping("retrieval/unseen/hit_rate@10").better(0.3, 0.2)
    assert EarlyStopping("rating/rmse").better(0.2, 0.3)
    assert EarlyStopping("mine", lower_is_better=True).better(0.2, 0.3)
    assert EarlyStopping("mine").better(-1.0, float("nan"))
    assert not EarlyStopping("mine").better(float("nan"), float("nan"))


def test_clipping_bounds_the_gradient_of_dense_and_sparse_parameters_alike(log: EventLog) -> None:
    moved = []
    for sparse in (False, True):
        model = model_of(log, sparse=sparse)
        start = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
        train(model, log, epochs=1, batch_size=len(log), clip_norm=0.01, optimizer=lambda p: torch.optim.SGD(p, lr=1.0))
        moved.append(torch.cat([parameter.detach().flatten() for parameter in model.parameters()]) - start)
        assert moved[-1].norm().item() == pytest.approx(0.01, rel=1e-3)
    torch.testing.assert_close(*moved, atol=1e-6, rtol=1e-3)


def test_sparse_and_dense_tables_train_alike(log: EventLog) -> None:
    models = [model_of(log, sparse=sparse) for sparse in (False, True)]
    for model in models:
        train(model, log, optimizer=lambda parameters: Adagrad(parameters, lr=0.1))
    for dense, sparse in zip(*(model.parameters() for model in models), strict=True):
        torch.testing.assert_close(dense, sparse, rtol=1e-4, atol=1e-5)


def test_an_optimizer_may_come_built(log: EventLog) -> None:
    model = model_of(log)
    start = model.item.ids.weight.detach().clone()
    train(model, log, optimizer=torch.optim.SGD(model.item.parameters(), lr=0.1))
    assert not torch.equal(model.item.ids.weight, start)


class Broken(Model):
    """Its rating loss is NaN from the second batch of the second epoch on."""

    steps = 0

    def compute_loss(self, batch: Batch) -> Mapping[str, Tensor]:
        losses = self.losses(batch)
        self.steps += 1
        return losses if self.steps < 7 else {**losses, "rating": losses["rating"] * torch.nan}


class Steep(Model):
    """Its loss is always 1, and the gradient of it is not a number in the second batch."""

    steps = 0

    def compute_loss(self, batch: Batch) -> Mapping[str, Tensor]:
        self.steps += 1
        zero = 0 * self.user(batch).sum()
        return {"steep": 1 + (zero.sqrt() if self.steps == 2 else zero)}


def test_a_gradient_that_is_no_number_is_named_as_the_cause(log: EventLog) -> None:
    with pytest.raises(
        TrainingError, match=r"epoch 1, batch 3 of 5; parameter 'user.* became non-finite in an earlier"
    ):
        train(model_of(log, Steep), log)


def test_a_loss_that_is_no_number_stops_training_and_keeps_the_checkpoint(log: EventLog, tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.safetensors"
    model = model_of(log, Broken)
    with pytest.raises(TrainingError, match=r"loss of 'rating' is nan in epoch 2, batch 2 of 5; the model keeps"):
        train(model, log, checkpoint=checkpoint)
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    one_epoch = model_of(log)
    train(one_epoch, log, epochs=1)
    resumed = model_of(log)
    train(resumed, log, epochs=1, checkpoint=checkpoint, resume=True)
    assert same(one_epoch, resumed)


def test_a_single_number_will_do_as_a_loss(log: EventLog) -> None:
    class Single(Model):
        def compute_loss(self, batch: Batch) -> Tensor:
            return self.losses(batch)["rating"]

    assert "loss/loss" in train(model_of(log, Single), log).columns


def test_progress_names_every_loss(log: EventLog, capsys: pytest.CaptureFixture[str]) -> None:
    train(model_of(log), log, epochs=2, progress=True)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "epoch 2/2" in shown.err
    assert "retrieval" in shown.err
    assert "rating" in shown.err


def test_errors(log: EventLog, tmp_path: Path) -> None:
    model = model_of(log)
    with pytest.raises(ConfigError, match="epochs=0; training takes at least one"):
        train(model, log, epochs=0)
    with pytest.raises(ConfigError, match="batch_size=0; a batch holds at least one row"):
        train(model, log, batch_size=0)
    with pytest.raises(ConfigError, match="early_stopping needs validation rows"):
        train(model, log, early_stopping=EarlyStopping("rating/rmse"))
    with pytest.raises(ConfigError, match="patience=0; it must be at least 1 epoch without a new best"):
        EarlyStopping("rating/rmse", patience=0)
    for norm in (0.0, -1.0, float("nan")):
        with pytest.raises(ConfigError, match=r"clip_norm=.*; it must be above 0, or None for no limit"):
            train(model, log, clip_norm=norm)
    with pytest.raises(ConfigError, match="has sparse gradients, which the default optimizer, Adam, does not take"):
        train(model_of(log, sparse=True), log)
    for optimizer in (torch.optim.AdamW, torch.optim.SparseAdam):
        with pytest.raises(
            ConfigError, match=rf"{optimizer.__name__} cannot train this model \(.*: towers with sparse=True"
        ):
            train(model_of(log, sparse=True), log, optimizer=optimizer)
    with pytest.raises(ConfigError, match="device='nope' is not a device; write 'cpu', 'cuda'"):
        train(model, log, device="nope")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="device='cuda' needs a GPU, and torch finds none; leave device out"):
            train(model, log, device="cuda")
    with pytest.raises(ConfigError, match="resume=True needs a file to continue from"):
        train(model, log, resume=True)
    with pytest.raises(
        ConfigError, match="'rating/rsme', which is not a validation metric of this model; did you mean 'rating/rmse'"
    ):
        train(model, log, validation=log, early_stopping=EarlyStopping("rating/rsme"), checkpoint=tmp_path / "none")
    blank = replace(log, columns={**log.columns, "rating": torch.full((len(log),), torch.nan)})
    with pytest.raises(
        ConfigError, match="watches 'rating/rmse', and no validation row is one of task 'rating'; watch"
    ):
        train(model, log, validation=blank, early_stopping=EarlyStopping("rating/rmse"))
    assert not (tmp_path / "none").exists()  # refused before the first epoch
    with pytest.raises(DataError, match="task 'stars' reads column 'stars', which is not in the log"):
        train(Model(user=model.user, item=model.item, tasks=[Rating("stars")]), log)
    with pytest.raises(ConfigError, match=r"checkpoint=.* is a folder; name a file, such as 'run.safetensors' in it"):
        train(model, log, checkpoint=tmp_path)
    (tmp_path / "log.csv").write_text("user,item")
    with pytest.raises(
        ConfigError, match=r"checkpoint='.*log.csv' holds no checkpoint, and one would replace it; name"
    ):
        train(model, log, checkpoint=tmp_path / "log.csv")
    checkpoint = tmp_path / "run.safetensors"
    train(model, log, epochs=1, checkpoint=checkpoint)
    other = Model(user=FeatureTower(log.users, dim=4), item=FeatureTower(log.items, dim=4), tasks=[Rating()])
    with pytest.raises(
        TrainingError, match=r"does not fit this model and optimizer: .*Missing key.*; resume with the same"
    ):
        train(other, log, checkpoint=checkpoint, resume=True)
    with pytest.raises(TrainingError, match="of a run with the optimizer Adam, not SGD; resume with the same"):
        train(model, log, checkpoint=checkpoint, resume=True, optimizer=lambda p: torch.optim.SGD(p, lr=0.1))
    with pytest.raises(TrainingError, match="of a run without a moving average of the weights; resume with the"):
        train(model, log, checkpoint=checkpoint, resume=True, average=0.9)
    stopping = EarlyStopping("rating/rmse")
    with pytest.raises(TrainingError, match="early stopping watched None, not 'rating/rmse'; resume with the same"):
        train(model, log, checkpoint=checkpoint, resume=True, validation=log, early_stopping=stopping)
    with pytest.raises(ConfigError, match="the optimizer SGD holds no parameter of this model, so nothing would be"):
        train(model, log, optimizer=torch.optim.SGD(other.parameters(), lr=0.1))
    with pytest.raises(ConfigError, match="a Model without tasks has no loss; give it at least one, tasks="):
        train(model_of(log, tasks=[]), log)


def test_a_seed_of_any_size_will_do(log: EventLog) -> None:
    train(model_of(log), log, epochs=1, seed=10**18)


def test_both_losses_fall_on_movielens(movielens: EventLog) -> None:
    rows, test = split.random(movielens, train=8_000, test=2_000, seed=0)
    torch.manual_seed(0)
    model = Model(
        user=FeatureTower(rows.users, features=()),
        item=FeatureTower(rows.items, features=()),
        tasks=[Retrieval(), Rating()],
    )
    history = fit(model, rows, epochs=2, validation=test, progress=False)
    for task in ("rating", "retrieval"):
        assert history[f"loss/{task}"][1] < history[f"loss/{task}"][0]


def test_products_in_bfloat16(log: EventLog) -> None:
    models = {precision: model_of(log) for precision in ("float32", "bfloat16")}
    found = {name: train(model, log, precision=name, validation=log) for name, model in models.items()}
    again = model_of(log)
    train(again, log, precision="bfloat16", validation=log)
    assert same(again, models["bfloat16"])
    assert not same(*models.values())
    assert {parameter.dtype for parameter in models["bfloat16"].parameters()} == {torch.float32}
    for key in ("loss/retrieval", "loss/rating", "validation/rating/rmse"):
        torch.testing.assert_close(
            *(torch.tensor(history[key].to_list()) for history in found.values()), rtol=0.02, atol=0
        )


def test_losses_under_autocast_are_float32(log: EventLog) -> None:
    model = model_of(log, tasks=[Retrieval(heads=2), Rating(hidden=(8,))], trunk=PLE(hidden=(8,)))
    model.prepare(log)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = model.losses(log.batch())
        scores = model.score(log.batch())
    assert {each.dtype for each in (*losses.values(), *losses.shared, *scores.values())} == {torch.float32}


def test_a_seed_of_more_than_64_bits(log: EventLog) -> None:
    with pytest.raises(ConfigError, match=f"seed={2**64}; a seed is a whole number of at most 64 bits, such as 7"):
        train(model_of(log), log, seed=2**64)


def test_autocast_around_fit_is_refused(log: EventLog) -> None:
    with (
        torch.autocast("cpu", dtype=torch.bfloat16),
        pytest.raises(
            ConfigError, match=r"fit is called under torch.autocast; leave that out and give precision='bflo"
        ),
    ):
        train(model_of(log), log)


def test_weights_in_float64_train_and_in_bfloat16_do_not(log: EventLog) -> None:
    single, double = model_of(log), model_of(log).double()
    found = [
        train(model, log, validation=log, optimizer=lambda p: torch.optim.SGD(p, lr=0.1)) for model in (single, double)
    ]
    assert {parameter.dtype for parameter in double.parameters()} == {torch.float64}
    for key in ("loss/rating", "validation/rating/rmse"):
        assert found[0][key][0] == pytest.approx(found[1][key][0], rel=0.05)
    with pytest.raises(ConfigError, match="is bfloat16; weights are float32 or float64"):
        train(model_of(log).bfloat16(), log)
