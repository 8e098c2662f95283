"""Contract tests that anyone can run on a class of their own."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import partial
from itertools import product

import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor

from motet.baselines import Baseline
from motet.data.batch import Batch
from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.index.base import Index, Rows
from motet.losses.softmax import pair_scores
from motet.metrics.base import CorpusMetric, ListMetric, Metric, PointMetric
from motet.model import Model
from motet.tasks.base import CorpusTask, Task
from motet.towers.base import Tower
from motet.towers.feature import FeatureTower
from motet.trunks.base import Trunk


def check_index(build: Callable[[Float[Tensor, "rows width"]], Index], *, seed: int = 0, exact: bool = True) -> None:
    """Check that an index keeps its filters, its order and its lengths, and finds what a sort finds.

    Args:
        build: Makes an index of the given vectors.
        seed: Of the vectors and queries.
        exact: Whether it must find the best rows; where False, it may find any allowed ones.

    Raises:
        AssertionError: If it breaks the contract.

    Example:
        >>> from motet.index import ExactIndex
        >>> check_index(ExactIndex)
    """
    generator = torch.Generator().manual_seed(seed)
    whole = partial(torch.randint, -2, 3, generator=generator)  # small whole numbers: exact sums and many equal scores
    vectors = whole((40, 4)).float()
    index = build(vectors)
    assert len(index) == 40, f"an index of 40 vectors says it holds {len(index)}"
    lines = [torch.randperm(40, generator=generator)[:n] for n in (0, 3, 37, 40, 12)]
    filters = [None, lines[1], lines[4], lines]
    queries = [whole((5, 4)).float(), whole((5, 3, 4)).float()]
    for query, k, exclude, only in product(queries, (1, 7, 50), filters, filters):
        hits = index.search(query, k, exclude=exclude, only=only)
        for line, (rows, scores) in enumerate(zip(*hits, strict=True)):
            allowed = _line(only, line, set(range(40))) - _line(exclude, line, set())
            _check_line(rows, scores, query[line] @ vectors.T, k, allowed, exact)


def _line(lines: Rows | None, query: int, default: set[int]) -> set[int]:
    if lines is None:
        return default
    return set((lines if isinstance(lines, Tensor) else lines[query]).tolist())


def _check_line(rows: Tensor, scores: Tensor, dots: Tensor, k: int, allowed: set[int], exact: bool) -> None:
    """One answer against a sort in plain Python."""
    every = dots if dots.ndim == 1 else dots.amax(0)
    size = min(k, len(allowed))
    found = rows[:size].tolist()
    assert (rows[size:] == -1).all(), f"rows {rows.tolist()} where {size} are allowed; fill up with -1"
    assert scores[size:].isneginf().all(), "fill up the scores with minus infinity"
    assert set(found) <= allowed, f"rows {sorted(set(found) - allowed)} were filtered and came back"
    assert len(set(found)) == size, f"rows {found} are not {size} different ones"
    assert torch.equal(scores[:size], every[rows[:size]]), "a score is not the dot product"
    assert found == sorted(found, key=lambda row: (-every[row], row)), "not the best first, the lowest row among equals"
    if exact:
        best = sorted(allowed, key=lambda row: (-every[row], row))[:size]
        assert found == best, f"found {found}, and a sort finds {best}"


def check_tower(tower: Tower, batch: Batch) -> None:
    """Check that a tower embeds each row for itself, knows the unknown, learns with all it has, and can be rebuilt.

    Args:
        tower: An instance of the class in question; left as it was, but for its gradients.
        batch: At least two rows with different ids, with the columns the tower reads.

    Raises:
        AssertionError: If it breaks the contract.

    Example:
        >>> import polars as pl
        >>> from motet.data.entities import Entities
        >>> from motet.data.vocab import Vocab
        >>> from motet.towers import FeatureTower
        >>> users = Entities("user_id", Vocab.build(pl.Series([7, 9]), "user_id"))
        >>> check_tower(FeatureTower(users), Batch({"user_id": torch.tensor([1, 2, 1])}))
    """
    training = tower.training
    tower.eval()
    batch = Batch({name: batch[name] for name in (tower.entities.key, *tower.context)}, batch.user_key, batch.item_key)
    with torch.no_grad():
        _check_rows(tower, batch)
        _check_unknown(tower, batch)
        if type(tower).config is not Tower.config:
            _check_twin(tower, batch)
    _check_gradients(tower, batch)
    tower.train(training)


def _check_rows(tower: Tower, batch: Batch) -> None:
    vectors, size = tower(batch), len(batch)
    assert vectors.shape == (size, tower.dim), (
        f"{size} rows gave {tuple(vectors.shape)}; a tower of this dim gives ({size}, {tower.dim})"
    )
    assert vectors.isfinite().all(), "a vector is not finite"
    turned = tower(batch.take(torch.arange(size - 1, -1, -1)))
    assert torch.allclose(turned.flip(0), vectors, atol=1e-6), "rows in another order have other vectors"
    if not tower.context:
        again = tower(batch.take(torch.zeros(3, dtype=torch.int64)))
        assert torch.allclose(again, vectors[:1], atol=1e-6), (
            "equal ids have different vectors; name what it reads in `context`"
        )


def _check_unknown(tower: Tower, batch: Batch) -> None:
    """Row 0, whose features are missing, in an event of which nothing is known."""
    columns = {
        name: torch.full_like(column, float("nan") if column.is_floating_point() else 0)
        for name, column in batch.columns.items()
    }
    unknown = tower(Batch(columns, batch.user_key, batch.item_key))
    assert unknown.isfinite().all(), "the unknown entity's vector is not finite"


def _check_twin(tower: Tower, batch: Batch) -> None:
    twin = type(tower)(tower.entities, **json.loads(json.dumps(tower.config())))
    twin.load_state_dict(tower.state_dict())
    assert torch.equal(twin.eval()(batch), tower(batch)), "a tower of the same config and weights gives other vectors"


def _check_gradients(tower: Tower, batch: Batch) -> None:
    tower.zero_grad()
    tower(batch).square().sum().backward()
    for name, parameter in tower.named_parameters():
        assert parameter.grad is not None or not parameter.requires_grad, f"no gradient reaches {name}"


def check_metric(build: Callable[[], Metric], *, seed: int = 0, probabilities: bool = False) -> None:
    """Check that a metric adds up, ignores the order of rows and what weighs nothing, and tells good from bad.

    Args:
        build: Makes a fresh metric.
        seed: Of the rows.
        probabilities: Whether it compares probabilities with what happened or did not, 1 or 0.

    Raises:
        AssertionError: If it breaks the contract.

    Example:
        >>> from motet.metrics import RMSE
        >>> check_metric(RMSE)
    """
    generator = torch.Generator().manual_seed(seed)
    size = 60
    first = torch.randint(1, 20, (size,), generator=generator).double()
    second = torch.randint(7, (size,), generator=generator)
    if not isinstance(build(), CorpusMetric):
        first, second = (first.float() / 20, second % 2.0) if probabilities else (first.float() / 7, second.float() / 2)
    weights = torch.randint(1, 4, (size,), generator=generator).float()
    columns: tuple[Tensor, ...] = (first, second)
    if isinstance(build(), ListMetric):
        columns = (first, second, torch.randint(9, (size,), generator=generator))
    order, cut = torch.randperm(size, generator=generator), size // 3
    figures = partial(_figures, build)
    whole = figures((*columns, weights))
    empty = tuple(column[:0] for column in columns)
    for nothing in (figures(), figures(empty), figures((*columns, torch.zeros(size)))):
        assert all(math.isnan(figure) for figure in nothing.values()), f"{nothing} of no rows is not NaN"
    assert all(math.isfinite(figure) for figure in whole.values()), f"{whole} are not all finite"
    shuffled = tuple(column[order] for column in (*columns, weights))
    _same(whole, figures(shuffled), "rows in another order give other figures")
    parts = [tuple(column[part] for column in (*columns, weights)) for part in (slice(cut), slice(cut, None))]
    _same(whole, figures(*parts), "rows in two calls give other figures than in one")
    _same(whole, figures(*parts, merged=True), "merging two parts gives other figures than the whole")
    _same(whole, figures((*columns, 2 * weights)), "twice the weights give other figures")
    _same(figures(columns), figures((*columns, torch.ones(size))), "weights of 1 change the figures")
    padded = tuple(torch.cat([column, column[:9].flip(0)]) for column in columns)
    _same(whole, figures((*padded, torch.cat([weights, torch.zeros(9)]))), "rows of weight 0 change the figures")
    if isinstance(build(), CorpusMetric):
        each = torch.arange(size)
        perfect, last = (figures((torch.full((size,), rank, dtype=torch.float64), each)) for rank in (1.0, 1e4))
    else:
        worst = 1 - second if probabilities else 3 - 2 * second  # other numbers, and in the other order
        perfect, last = (figures((scores, *columns[1:])) for scores in (second, worst))
    assert perfect != last, f"perfect rows and rows as bad as can be both give {perfect}"


def _figures(build: Callable[[], Metric], *parts: tuple[Tensor, ...], merged: bool = False) -> dict[str, float]:
    metrics = [build() for _ in parts] if merged else [build()] * len(parts)
    for metric, part in zip(metrics, parts, strict=True):
        kinds = PointMetric | ListMetric | CorpusMetric
        assert isinstance(metric, kinds), f"{metric} is neither a PointMetric nor a ListMetric nor a CorpusMetric"
        metric.update(*part)
    whole = metrics[0] if metrics else build()
    for other in metrics[1:] if merged else []:
        whole.merge(other)
    return whole.figures("figure")


def _same(first: dict[str, float], second: dict[str, float], complaint: str) -> None:
    alike = first.keys() == second.keys() and all(math.isclose(first[key], second[key], rel_tol=1e-9) for key in first)
    assert alike, f"{complaint}: {first} and {second}"


def check_baseline(build: Callable[[EventLog], Baseline], *, seed: int = 0) -> None:
    """Check that a baseline keeps its filters, its lengths and its order, and answers everybody.

    Args:
        build: Fits the baseline on a log of users, items and ratings (`rating`).
        seed: Of the log.

    Raises:
        AssertionError: If it breaks the contract.

    Example:
        >>> from motet.baselines import Popularity
        >>> check_baseline(Popularity)
    """
    draw = partial(torch.randint, generator=torch.Generator().manual_seed(seed))
    users, items = draw(8, (60,)).tolist(), draw(20, (60,)).tolist()
    events = pl.DataFrame({"user_id": users, "item_id": items, "rating": draw(1, 6, (60,)).tolist()})
    baseline = build(EventLog.read(events, Schema(signals=("rating",))))
    catalogue, people = sorted(set(items)), [*sorted(set(users)), 99]
    for k, exclude_seen, exclude, only in product(
        (1, len(catalogue)), (True, False), ([], catalogue[:3]), (None, catalogue[2:9])
    ):
        filters = {"exclude_seen": exclude_seen, "exclude": exclude, "only": only}
        many = baseline.recommend(people, k, **filters)
        for user, line in zip(people, many.each(), strict=True):
            seen = {item for who, item in zip(users, items, strict=True) if who == user and exclude_seen}
            allowed = set(catalogue if only is None else only) - set(exclude) - seen
            found = list(line.ids)
            assert set(found) <= allowed, f"user {user} got {found}, of which {set(found) - allowed} were filtered"
            assert len(set(found)) == min(k, len(allowed)), (
                f"user {user} got {found}; {len(allowed)} are allowed, k={k}"
            )
            assert line.scores.diff().le(0).all(), f"the scores of user {user} are not the best first: {line.scores}"
            alone = baseline.recommend(user, k, **filters)
            assert list(alone.ids) == found, f"user {user} gets {found} among many and {list(alone.ids)} alone"
    _check_scores(baseline, people, catalogue)


def _check_scores(baseline: Baseline, people: list[int], catalogue: list[int]) -> None:
    """Pairs, blocks and recommendations speak of the same scores."""
    user_rows, item_rows = baseline.users.vocab.encode(people), baseline.items.vocab.encode(catalogue)
    block = baseline.scores(user_rows[:, None], item_rows)
    assert block.shape == (len(people), len(catalogue)), f"a block of scores has shape {tuple(block.shape)}"
    assert block.isfinite().all(), "a score is not finite"
    for user, scores in zip(people, block, strict=True):
        pairs = baseline.predict(user, catalogue)[baseline.name]
        assert torch.allclose(pairs, scores), f"`predict` and `scores` differ for user {user}: {pairs} and {scores}"
        top = baseline.recommend(user, len(catalogue), exclude_seen=False)
        assert torch.allclose(top.scores, scores.sort(descending=True).values), f"user {user} is not shown the best"


def check_task(build: Callable[[], Task], log: EventLog) -> None:
    """Check that a task ignores the order of rows and those without its label, and that it can be rebuilt.

    Args:
        build: Makes the task in question.
        log: At least two rows with the columns the task reads; some without its label, if it reads one.

    Raises:
        AssertionError: If it breaks the contract.

    Example:
        >>> import polars as pl
        >>> from motet.data.schema import Schema
        >>> from motet.tasks import Rating
        >>> events = pl.DataFrame({"user_id": [1, 1, 2], "item_id": [5, 6, 5], "rating": [3.0, None, 4.0]})
        >>> check_task(Rating, EventLog.read(events, Schema(signals=("rating",))))
    """
    user, item = (FeatureTower(side, dim=4, features=()) for side in (log.users, log.items))
    model = Model(user=user, item=item, tasks=[build()])
    model.prepare(log)
    model.eval()
    _check_losses(model, log.batch())
    _check_pair_scores(model, log.batch())
    (task,) = model.tasks.values()
    metrics, fresh = task.metrics(), task.metrics()
    assert metrics, "a task without metrics cannot be judged"
    assert not any(metrics[name] is fresh[name] for name in metrics), "metrics() gave the same collector twice"
    rebuilt = Model(user=user, item=item, tasks=[type(task)(**task.config())])
    rebuilt.load_state_dict(model.state_dict())
    assert torch.equal(*(each.eval().score(log.batch())[task.name] for each in (model, rebuilt))), (
        "a task of the same config and weights gives other scores"
    )


def _check_losses(model: Model, batch: Batch) -> None:
    (task,) = model.tasks.values()
    tables = [next(tower.parameters()) for tower in (model.user, model.item)]
    losses = _row_losses(model, batch)
    assert losses.shape == (len(batch),), f"{len(batch)} rows gave losses of shape {tuple(losses.shape)}"
    assert losses.isfinite().all(), "a loss is not finite"
    labelled = task.labelled(batch)
    assert not losses[~labelled].any(), "a row without a label has a loss"
    turned = batch.take(torch.arange(len(batch) - 1, -1, -1))
    assert torch.allclose(_row_losses(model, turned).flip(0), losses, atol=1e-5), "the order of rows matters"
    if task.needs:
        alone = batch.take(labelled)
        some, every = (model.losses(rows)[task.name] for rows in (alone, batch))
        assert torch.allclose(some, every, atol=1e-5), "rows without a label change the loss"
    gradients = torch.autograd.grad(losses.sum(), tables, allow_unused=True)
    assert all(gradient is not None for gradient in gradients), "the loss does not reach both towers"


def _row_losses(model: Model, batch: Batch) -> Tensor:
    (task,) = model.tasks.values()
    user, item = model(batch)
    with torch.random.fork_rng():
        torch.manual_seed(0)  # what a task draws for a batch is the same each time
        return task.loss(user, item, batch)


def _check_pair_scores(model: Model, batch: Batch) -> None:
    (task,) = model.tasks.values()
    pairs = Batch({batch.user_key: batch.users, batch.item_key: batch.items}, batch.user_key, batch.item_key)
    with torch.no_grad():
        user, item = model(pairs)
        scores = task.score(user, item, pairs)
        assert scores.shape == (len(batch),), f"{len(batch)} pairs gave scores of shape {tuple(scores.shape)}"
        assert scores.isfinite().all(), "a score is not finite"
        if isinstance(task, CorpusTask):
            dots = pair_scores(task.queries(user, pairs), task.candidates(item, pairs))
            assert torch.allclose(scores, dots, atol=1e-5), "a score is not the dot product of query and candidate"


def check_trunk(build: Callable[[], Trunk], *, in_dim: int = 12, seed: int = 0) -> None:
    """Check that a trunk reads each row for itself, learns with all it has, can be rebuilt, and shares experts out.

    Args:
        build: Makes the trunk in question; `Trunk.build` is called here.
        in_dim: Width of the pair.
        seed: Of the weights and the rows.

    Raises:
        AssertionError: If it breaks the contract.

    Example:
        >>> from motet.trunks import MMoE
        >>> check_trunk(MMoE)
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        tasks, pairs = ("one", "other"), torch.randn(9, in_dim)
        trunk = build()
        twin = type(trunk)(**json.loads(json.dumps(trunk.config())))
        for each in (trunk, twin):
            each.build(in_dim, tasks)
            each.eval()
        read = trunk(pairs)
        assert set(read) == set(tasks), f"the heads of {tasks} read {tuple(read)}"
        for task, vectors in read.items():
            shape = (len(pairs), trunk.out_dim)
            assert vectors.shape == shape, f"9 rows gave {tuple(vectors.shape)}; a trunk of this out_dim gives {shape}"
            turned = trunk(pairs.flip(0))[task].flip(0)
            assert torch.allclose(turned, vectors, atol=1e-6), "rows in another order give others"
        twin.load_state_dict(trunk.state_dict())
        same = all(torch.equal(vectors, read[task]) for task, vectors in twin(pairs).items())
        assert same, "a trunk of the same config and weights gives others"
        _check_gates(trunk, pairs)
        trunk.zero_grad()
        torch.stack([vectors.square().sum() for vectors in trunk(pairs).values()]).sum().backward()
    for name, parameter in trunk.named_parameters():
        assert parameter.grad is not None or not parameter.requires_grad, f"no gradient reaches {name}"


def _check_gates(trunk: Trunk, pairs: Tensor) -> None:
    """Shares are those of training, since the epoch began."""
    trunk.epoch_began()
    trunk(pairs)
    assert not trunk.utilisation(), "shares are counted outside of training, or `epoch_began` does not forget them"
    trunk.train()(pairs)
    for task, shares in trunk.utilisation().items():
        assert math.isclose(sum(shares.values()), 1, rel_tol=1e-5), f"the shares of {task!r} sum to {shares}"
    trunk.eval()
