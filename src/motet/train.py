"""fit: the training loop, short and plain."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import torch
from torch import Tensor, nn

from motet.arguments import checked
from motet.balancers.conflict import Conflict
from motet.balancers.losses import Losses
from motet.checkpoint import check_checkpoint, load_checkpoint, save_checkpoint
from motet.data.batch import Batch, Loader
from motet.data.log import EventLog
from motet.data.mix import Mix, MixLoader
from motet.data.seed import check_seed
from motet.early_stopping import EarlyStopping
from motet.errors import ConfigError, DataError, TrainingError, check_types
from motet.evaluation import evaluate
from motet.layers.precision import Precision, check_weights, rounding
from motet.model import Model
from motet.optim import WeightAverage
from motet.optim.step import check_optimizer, step
from motet.progress import Step, training_progress

Optimizer = torch.optim.Optimizer
OptimizerFactory = Callable[[Iterable[nn.Parameter]], Optimizer]
RATE = 0.01  # of Adam, where no optimizer is given


@checked
def fit(
    model: Model,
    train: EventLog | Mix,
    *,
    epochs: int = 10,
    batch_size: int = 8192,
    optimizer: Optimizer | OptimizerFactory | None = None,
    seed: int = 0,
    validation: EventLog | None = None,
    early_stopping: EarlyStopping | None = None,
    clip_norm: float | None = None,
    average: float | None = None,
    precision: Precision = "float32",
    checkpoint: str | Path | None = None,
    resume: bool = False,
    device: torch.device | str | None = None,
    progress: bool = True,
) -> pl.DataFrame:
    """Train a model, which ends with the weights of the last epoch, or of the best one under early stopping.

    Args:
        model: Trained in place.
        train: Rows with labels; or a `Mix` of logs, each batch from one of them.
        epochs: Passes over the rows; of a mix, over those of its first log.
        batch_size: Rows a step. The default suits in-batch negatives.
        optimizer: An optimizer of the model's parameters, or a function that makes one of them. The default is Adam
            with a learning rate of .01.
        seed: Of the order of the rows, the sampled negatives and dropout. The caller's random state is left alone.
        validation: Rows to evaluate on after every epoch.
        early_stopping: When to stop before `epochs`.
        clip_norm: Largest norm of the whole gradient; by default there is no limit.
        average: Decay per step of an exponential moving average of the weights. Validation uses the average, and the
            model ends with it; .99 is a good value. By default nothing is averaged.
        precision: The type in which training multiplies matrices. `"bfloat16"` keeps weights, losses and sums in
            float32; it pays off in a softmax over many items, on a processor or GPU with units for it.
        checkpoint: File that receives the whole state of training after every epoch.
        resume: Whether to continue from the checkpoint, if there is one, exactly as if training had not stopped.
        device: Where to train; by default on a GPU if there is one.
        progress: Whether to show a progress bar with each task's loss on stderr.

    Returns:
        One row an epoch: its number, its seconds, each task's loss (the mean over the rows it learned from), and each
        validation metric. With several tasks, also the share of each task in the gradient at the shared vectors and the
        cosines between their gradients (see `Conflict`); with a trunk of experts, the mean share of each expert.

    Raises:
        DataError: If the log lacks what a task reads.
        ConfigError: If an argument breaks its rule.
        TrainingError: If a loss is no longer finite, or a checkpoint does not fit.

    Example:
        >>> history = fit(model, train, epochs=3, seed=7)  # doctest: +SKIP
    """
    check_types(Model, model=model)
    check_types(EventLog | Mix, train=train)
    check_types(EventLog | None, validation=validation)
    check_types(EarlyStopping | None, early_stopping=early_stopping)
    check_types(Optimizer | Callable | None, "pass what makes one, such as torch.optim.Adam", optimizer=optimizer)
    if epochs < 1:
        raise ConfigError(f"epochs={epochs}; training takes at least one")
    if clip_norm is not None and not clip_norm > 0:
        raise ConfigError(f"clip_norm={clip_norm}; it must be above 0, or None for no limit")
    if early_stopping is not None:
        if validation is None:
            raise ConfigError("early_stopping needs validation rows to watch; give validation=...")
        early_stopping.check(model, validation)
    if resume and checkpoint is None:
        raise ConfigError("resume=True needs a file to continue from; give checkpoint=...")
    if checkpoint is not None:
        check_checkpoint(checkpoint)
    log = train.log if isinstance(train, Mix) else train
    check_weights(model)
    check_seed(seed)
    model.check(log)
    where = _device(device)
    rounded = rounding(precision, model, where)
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):  # unnamed, several GPUs are warned of
        torch.manual_seed(seed)
        model.prepare(log)
        model.to(where)
        state = _State(model, optimizer, average, early_stopping)
        if resume and checkpoint is not None and Path(checkpoint).exists():
            state.restore(load_checkpoint(checkpoint))
        loader = _loader(train, batch_size, seed, where)
        done = len(state.history)
        with training_progress(epochs=epochs, steps=len(loader), done=done, shown=progress) as advance:
            for epoch in range(done, epochs):
                if state.stopped:
                    break
                started = time.perf_counter()
                losses = _train_epoch(state, loader, epoch, clip_norm, rounded, advance)
                figures = _validate(state, validation, log)
                state.history.append(
                    {"epoch": epoch + 1, "seconds": time.perf_counter() - started, **losses, **figures}
                )
                state.watch(figures)
                if checkpoint is not None:
                    save_checkpoint(checkpoint, state.as_dict())
        state.settle()
    model.eval()
    return pl.DataFrame(state.history, infer_schema_length=None)  # a figure may first appear in a late epoch


class _State:
    """Everything that changes from epoch to epoch."""

    def __init__(
        self,
        model: Model,
        optimizer: Optimizer | OptimizerFactory | None,
        average: float | None,
        early_stopping: EarlyStopping | None,
    ) -> None:
        self.model = model
        self.early_stopping = early_stopping
        if optimizer is None and any(getattr(part, "sparse", False) for part in model.modules()):
            raise ConfigError(
                "an embedding table has sparse gradients, which the default optimizer, Adam, does not take; give one "
                "that does, such as optimizer=lambda parameters: motet.optim.Adagrad(parameters, lr=0.1), or build the "
                "towers with sparse=False"
            )
        if optimizer is None:
            optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
        self.optimizer = optimizer if isinstance(optimizer, Optimizer) else optimizer(model.parameters())
        check_optimizer(self.optimizer, model)
        self.average = None if average is None else WeightAverage(model, decay=average)
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Tensor] | None = None
        self.best_figure = float("nan")
        self.epochs_since_best = 0

    @property
    def stopped(self) -> bool:
        """Whether patience has run out."""
        return self.early_stopping is not None and self.epochs_since_best >= self.early_stopping.patience

    @property
    def watched(self) -> str | None:
        """The metric that decides which epoch is the best."""
        return None if self.early_stopping is None else self.early_stopping.metric

    def watch(self, figures: Mapping[str, float]) -> None:
        """Remember the weights if this epoch is the best so far."""
        if self.early_stopping is None:
            return
        figure = figures[f"validation/{self.watched}"]
        self.epochs_since_best += 1
        if self.early_stopping.better(figure, self.best_figure):
            with self.averaged():
                self.best = copy.deepcopy(self.model.state_dict())
            self.best_figure, self.epochs_since_best = figure, 0

    def settle(self) -> None:
        """Leave the model with its final weights: the best epoch's, else the averages, else the last ones."""
        if self.best is not None:
            self.model.load_state_dict(self.best)
        elif self.average is not None:
            self.average.swap()

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The model with its averaged weights, where there are any."""
        if self.average is not None:
            self.average.swap()
        try:
            yield
        finally:
            if self.average is not None:
                self.average.swap()

    def as_dict(self) -> dict[str, Any]:
        average = self.average
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "optimizer_class": type(self.optimizer).__name__,
            "average": None if average is None else {"averages": average.averages, "steps": average.steps},
            "history": self.history,
            "watched": self.watched,
            "best": self.best,
            "best_figure": self.best_figure,
            "epochs_since_best": self.epochs_since_best,
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }

    def restore(self, saved: dict[str, Any]) -> None:
        self._check_same(saved)
        try:
            self.model.load_state_dict(saved["model"])
            moments = {int(index): moment for index, moment in saved["optimizer"]["state"].items()}
            self.optimizer.load_state_dict(saved["optimizer"] | {"state": moments})
        except (RuntimeError, ValueError, KeyError) as error:
            raise TrainingError(
                f"the checkpoint does not fit this model and optimizer: {' '.join(str(error).split())[:300]}; "
                "resume with the same declarations, or start again with resume=False"
            ) from error
        if self.average is not None:
            for average, was in zip(self.average.averages, saved["average"]["averages"], strict=True):
                average.copy_(was)
            self.average.steps = saved["average"]["steps"]
        self.history = saved["history"]
        self.best = saved["best"]
        self.best_figure = saved["best_figure"]
        self.epochs_since_best = saved["epochs_since_best"]
        torch.set_rng_state(saved["random"].cpu())
        if torch.cuda.is_available():
            torch.cuda.set_rng_state_all([state.cpu() for state in saved["random_cuda"]])

    def _check_same(self, saved: dict[str, Any]) -> None:
        """Refuse a checkpoint of another kind of training, which would load without an error."""
        found, own = saved.get("optimizer_class"), type(self.optimizer).__name__
        if found != own:
            raise TrainingError(
                f"the checkpoint is of a run with the optimizer {found}, not {own}; resume with the same optimizer, or "
                "start again with resume=False"
            )
        if saved["watched"] != self.watched:
            raise TrainingError(
                f"the checkpoint is of a run whose early stopping watched {saved['watched']!r}, not {self.watched!r}; "
                "resume with the same early_stopping=..., or start again with resume=False"
            )
        if (saved["average"] is None) != (self.average is None):
            raise TrainingError(
                f"the checkpoint is of a run {'without' if saved['average'] is None else 'with'} a moving average of "
                "the weights; resume with the same average=..., or start again with resume=False"
            )


def _device(asked: torch.device | str | None) -> torch.device:
    """The device that was asked for; a GPU by default, if there is one."""
    gpu = torch.cuda.is_available()
    try:
        found = torch.device(asked or ("cuda" if gpu else "cpu"))
    except RuntimeError as error:
        raise ConfigError(f"device={asked!r} is not a device; write 'cpu', 'cuda' or 'cuda:1'") from error
    if found.type == "cuda" and not gpu:
        raise ConfigError(f"device={asked!r} needs a GPU, and torch finds none; leave device out to train on the CPU")
    return found


def _loader(train: EventLog | Mix, batch_size: int, seed: int, device: torch.device) -> Loader | MixLoader:
    if isinstance(train, Mix):
        return train.loader(batch_size=batch_size, seed=seed, device=device)
    return Loader(train, batch_size=batch_size, seed=seed, device=device, together=train.together)


def _train_epoch(
    state: _State, loader: Loader | MixLoader, epoch: int, clip: float | None, rounded: torch.autocast, advance: Step
) -> dict[str, float]:
    """One pass over the rows: the mean of each loss over its rows, gradient shares and cosines, gate shares."""
    state.model.train()
    trunk = state.model.trunk
    if trunk is not None:
        trunk.epoch_began()
    sums: dict[str, float] = {}
    rows: dict[str, float] = {}
    means: dict[str, float] = {}
    pulls = Conflict(state.model.tasks)
    several = sum(weight > 0 for weight in state.model.weights.values()) > 1
    summed = {name for name, task in state.model.tasks.items() if task.reduction == "sum"}
    for number, batch in enumerate(loader.epoch(epoch)):
        with rounded:
            losses = _losses(state.model, batch, f"epoch {epoch + 1}, batch {number + 1} of {len(loader)}")
        counted = _counted(state.model, losses, batch)
        if several or len(losses) > 1:
            held = [name for name, count in counted.items() if count]
            pulls.update(state.model.weigh(losses), losses.shared, held=held, rows=losses.rows)
        _move(state, losses, clip)
        for name, loss in losses.items():
            sums[name] = sums.get(name, 0.0) + float(loss.detach()) * (1.0 if name in summed else counted[name])
            rows[name] = rows.get(name, 0.0) + counted[name]
        means = {name: total / max(rows[name], 1e-12) for name, total in sums.items()}
        advance(epoch, means)
    state.model.balancer.epoch_ended(means)
    gates = {} if trunk is None else trunk.utilisation()
    shares = {f"gate/{task}/{expert}": share for task, each in gates.items() for expert, share in each.items()}
    return {f"loss/{name}": mean for name, mean in means.items()} | pulls.figures() | shares


def _counted(model: Model, losses: Losses, batch: Batch) -> dict[str, float]:
    """The total weight of the rows that each loss is the mean of."""
    tasks = model.tasks
    return {name: float(tasks[name].training_weights(batch).sum()) if name in tasks else len(batch) for name in losses}


def _losses(model: Model, batch: Batch, where: str) -> Losses:
    """The losses of one batch, all of them finite."""
    found = model.compute_loss(batch)
    if not isinstance(found, Losses):
        found = Losses(found if isinstance(found, Mapping) else {"loss": found})
    if not found and not model.tasks:
        raise ConfigError(
            f"a {type(model).__name__} without tasks has no loss; give it at least one, tasks=[...], or override "
            "compute_loss"
        )
    if not found:
        raise DataError(
            f"no trained task finds its columns in {where}, which has {', '.join(batch.columns)}; leave this log out "
            "of the mix, or add a task that reads it"
        )
    for name, loss in found.items():
        if not math.isfinite(float(loss.detach())):
            raise TrainingError(
                f"the loss of {name!r} is {float(loss.detach())} in {where}; {_kept(model)}, and the last checkpoint "
                "is untouched. Lower the learning rate, clip the gradient (clip_norm=1.0), or look for extreme values "
                "in the data"
            )
    return found


def _kept(model: Model) -> str:
    """The state of the weights, for an error message."""
    for name, parameter in model.named_parameters():
        if not parameter.isfinite().all():
            return f"parameter {name!r} became non-finite in an earlier batch, by its gradient"
    return "the model keeps the weights from before this batch"


def _move(state: _State, losses: Losses, clip_norm: float | None) -> None:
    """Compute gradients; take one step of the weights and of their average."""
    state.optimizer.zero_grad(set_to_none=True)
    state.model.balancer.backward(state.model.weigh(losses), losses.shared)
    if clip_norm is not None:
        _clip(state.model, clip_norm)
    step(state.optimizer)
    if state.average is not None:
        state.average.update()


def _clip(model: nn.Module, largest: float) -> None:
    """Scale the whole gradient down to a norm; a sparse gradient counts with the rows it holds."""
    grads = []
    for parameter in model.parameters():
        if parameter.grad is not None:
            if parameter.grad.is_sparse:
                parameter.grad = parameter.grad.coalesce()
            grads.append(parameter.grad.values() if parameter.grad.is_sparse else parameter.grad)
    norm = torch.nn.utils.get_total_norm(grads)
    torch._foreach_mul_(grads, (largest / (norm + 1e-6)).clamp(max=1.0))


def _validate(state: _State, validation: EventLog | None, train: EventLog) -> dict[str, float]:
    if validation is None:
        return {}
    with state.averaged():
        report = evaluate(state.model, validation, train=train, baselines=False, thorough=False)
    return {f"validation/{key}": figure for key, figure in report.items()}
