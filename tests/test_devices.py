"""Training, evaluation and serving keep every tensor on the device of the model: on a GPU, or on a pretended one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch
from tests.pretended_gpu import gpu, pretended_gpu

from motet import balancers, optim, tasks, towers, trunks
from motet.calibration import calibrate
from motet.data.log import EventLog
from motet.data.pair_features import PairFeatures
from motet.data.recent import recent
from motet.data.schema import Categorical, MultiValued, Numeric, Schema, Text
from motet.evaluation import evaluate
from motet.index import ExactIndex
from motet.index.places import places
from motet.metrics import Dot, Pairs, ranks
from motet.model import Model
from motet.preference import Preference
from motet.recommender import Recommender
from motet.retrievers import Touched
from motet.tasks import Task
from motet.towers.context import context_columns
from motet.train import fit

ROWS, USERS, ITEMS = 160, 12, 20
Build = Callable[[EventLog], Model]


def make_log() -> EventLog:
    """Views, carts and purchases, with features of every kind, a context column and recent items."""
    draw = torch.Generator().manual_seed(0)

    def drawn(size: int) -> list[int]:
        return torch.randint(size, (ROWS,), generator=draw).tolist()

    clicked = drawn(2)
    events = {
        "user": drawn(USERS),
        "item": drawn(ITEMS),
        "event": [("view", "cart", "buy")[each] for each in drawn(3)],
        "stars": [float(each) for each in drawn(5)],
        "clicked": clicked,
        "bought": [each * one for each, one in zip(drawn(2), clicked, strict=True)],
        "hour": [float(each) for each in drawn(24)],
        "time": range(ROWS),
    }
    users = {"user": range(USERS), "age": range(20, 20 + USERS), "city": ["a", "b", "c"] * (USERS // 3)}
    items = {"item": range(ITEMS), "price": range(1, 1 + ITEMS), "title": ["red hat", "blue hat"] * (ITEMS // 2)}
    schema = Schema(
        user="user",
        item="item",
        time="time",
        event="event",
        signals=("stars", "clicked", "bought"),
        user_features={"age": Numeric(), "city": Categorical()},
        item_features={"price": Numeric(buckets=3), "title": Text(), "tags": MultiValued()},
        context_features={"hour": Numeric()},
    )
    tagged = pl.DataFrame(items).with_columns(tags=pl.lit("a|b"))
    return recent(EventLog.read(pl.DataFrame(events), schema, users=pl.DataFrame(users), items=tagged), length=3)


def three() -> list[Task]:
    return [
        tasks.Retrieval(positives="event == 'buy'", negatives="event == 'view'"),
        tasks.Rating("stars", hidden=(4,)),
        tasks.Event("clicked", hidden=(4,)),
    ]


def with_tasks(make: Callable[[], list[Task]]) -> Build:
    return lambda log: Model(
        user=towers.FeatureTower(log.users, dim=4, hidden=(4,), cross_layers=1),
        item=towers.FeatureTower(log.items, dim=4),
        tasks=make(),
    )


def with_user(make: Callable[[EventLog], towers.Tower], **parts: Callable[[], object]) -> Build:
    return lambda log: Model(
        user=make(log),
        item=towers.ContentTower(log.items, dim=4),
        tasks=three(),
        **{name: part() for name, part in parts.items()},  # type: ignore[arg-type]
    )


def interaction(log: EventLog) -> Model:
    user, item = towers.FieldTower(log.users, field_dim=2), towers.FieldTower(log.items, field_dim=2)
    return Model(user=user, item=item, tasks=three()[1:], trunk=trunks.Interaction(2, hidden=(4,)))


BUILDS: dict[str, Build] = {
    "funnel": with_tasks(lambda: [tasks.Retrieval(heads=2), tasks.Funnel(stages=["clicked", "bought"], hidden=(4,))]),
    "lists": with_tasks(lambda: [tasks.Retrieval(pool=tasks.Catalogue()), tasks.Listwise("stars", hidden=(4,))]),
    "levels": with_tasks(lambda: [tasks.BPR(), tasks.Ordinal("stars", levels=(0, 1, 2, 3, 4), hidden=(4,))]),
    "sampled": with_tasks(lambda: [tasks.SampledBinary()]),
    "whole catalogue": with_tasks(lambda: [tasks.WholeCatalogue(confidence=3.0)]),
    "weights": with_tasks(lambda: [tasks.Retrieval(positives=tasks.Rows(weight="stars", half_life_days=3))]),
    "history": with_user(
        lambda log: towers.HistoryTower(log.users, log.items, dim=4),
        trunk=lambda: trunks.MMoE(2, hidden=(4,)),
        balancer=balancers.Uncertainty,
    ),
    "gru": with_user(
        lambda log: towers.SequenceTower(log.users, log.items, length=3, dim=4),
        trunk=lambda: trunks.PLE(hidden=(4,)),
        balancer=balancers.DynamicWeightAverage,
    ),
    "attention": with_user(
        lambda log: towers.SequenceTower(log.users, log.items, length=3, dim=4, encoder="attention"),
        trunk=lambda: trunks.SharedBottom((4,)),
        balancer=balancers.GradNorm,
    ),
    "pretrained": with_user(
        lambda log: towers.PretrainedTower(log.users, torch.ones(len(log.users), 3), dim=4),
        trunk=lambda: trunks.CrossNetwork(1, rank=2, hidden=(4,)),
        preference=Preference,
    ),
    "context": with_user(
        lambda log: towers.ContextTower(log.users, context=context_columns(log), dim=4),
        balancer=lambda: balancers.GradientBalancer("upgrad"),
    ),
    "hashed": with_user(lambda log: towers.HashedTower(log.users, rows=9, dim=4, sparse=True)),
    "interaction": interaction,
}


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
@pytest.mark.filterwarnings("ignore:PyTorch was compiled without cuDNN")
def test_a_model_trains_evaluates_and_serves_on_a_gpu(build: Build) -> None:
    log = make_log()
    train, test = log.take(slice(0, 120)), log.take(slice(120, None))
    torch.manual_seed(0)
    model = build(train)

    with gpu():
        fit(
            model,
            train,
            epochs=1,
            batch_size=64,
            optimizer=lambda parameters: optim.Adagrad(parameters, lr=0.1),
            average=0.9,
            clip_norm=1.0,
            validation=test,
            device="cuda",
            progress=False,
        )
        calibrate(model, test)
        assert next(model.parameters()).device.type == "cuda"
        recommender = Recommender(model, train)
        report = evaluate(recommender, test, train=train, slices=["users"], baselines=False)
        found = recommender.recommend([1, 2], k=3, exclude=[5], candidates=10)

    assert len(report)
    assert found.ids.shape == (2, 3)


def test_ranks_within_k_are_computed_on_a_gpu() -> None:
    draw = torch.Generator().manual_seed(1)
    user, item = (torch.randn(size, 8, generator=draw) for size in (64, 200))
    each, liked = torch.arange(64), torch.randint(200, (64,), generator=draw)
    exclude = Pairs(each, (liked + 1) % 200)
    settings = {"exclude": exclude, "within": 3, "block": (16, 4)}
    expected = ranks(Dot(user, item), Pairs(each, liked), candidates=200, **settings)  # type: ignore[arg-type]

    with gpu():
        score, positives, exclude = (
            kind(*(part.to("cuda") for part in parts))
            for kind, parts in ((Dot, (user, item)), (Pairs, (each, liked)), (Pairs, exclude))
        )
        settings["exclude"] = exclude
        found = ranks(score, positives, candidates=200, **settings)
        listed = places(score, positives, exclude=exclude, within=3).left
        assert found.device.type == "cuda"

    for each_way in (found, listed):
        assert torch.equal(each_way.cpu(), expected)


def test_stages_and_counts_of_pairs_run_on_a_gpu() -> None:
    log = make_log()
    counts = PairFeatures(log)
    context = tasks.WithContext(tasks.Event("clicked", hidden=(4,)), ["pair_view", "user_buy"])
    model = with_tasks(lambda: [tasks.Retrieval(), context])(log)

    with gpu():
        fit(model, counts.add(log), epochs=1, batch_size=64, device="cuda", progress=False)
        stages = [Touched(where="event == 'view'", by="clicked"), "retrieval"]
        recommender = Recommender(model, log, seen="event == 'buy'", retrieve=stages, context=counts)
        found = recommender.recommend([1, 2], k=3)

    assert found.ids.shape == (2, 3)


def test_a_model_trained_on_a_gpu_is_continued_saved_and_loaded(tmp_path: Path) -> None:
    log = make_log()
    build = with_tasks(three)

    with gpu():
        for epochs in (1, 2):
            torch.manual_seed(0)
            model = build(log)
            kept = {"checkpoint": tmp_path / "checkpoint", "resume": epochs == 2}
            fit(model, log, epochs=epochs, batch_size=64, device="cuda", progress=False, **kept)  # type: ignore[arg-type]
        Recommender(model, log).save(tmp_path / "model")
        found = Recommender(model, log).recommend(1, k=3)
    again = Recommender.load(tmp_path / "model").recommend(1, k=3)

    assert again.ids.tolist() == found.ids.tolist()


def test_an_exact_index_searches_on_a_gpu() -> None:
    draw = torch.Generator().manual_seed(0)
    vectors, queries = torch.randn(3000, 4, generator=draw), torch.randn(3, 4, generator=draw)
    expected = ExactIndex(vectors).search(queries, 5, exclude=[torch.tensor([0, 1])] * 3).rows

    with gpu():
        index = ExactIndex(vectors.to("cuda"))
        found = index.search(queries.to("cuda"), 5, exclude=[torch.tensor([0, 1])] * 3).rows.tolist()
        index.remove(torch.tensor([7]))
        index.add(vectors[:3])

    assert found == expected.tolist()
    assert len(index) == 3003


def test_the_pretended_gpu_refuses_what_a_real_one_refuses() -> None:
    with pretended_gpu():
        there, here = torch.ones(2, device="cuda", requires_grad=True), torch.ones(2)
        assert [each.device.type for each in (there, there[:1] * 2, there.cpu(), here)] == [
            "cuda",
            "cuda",
            "cpu",
            "cpu",
        ]
        with pytest.raises(RuntimeError, match="add: expected all tensors to be on the same device"):
            there + here
        with pytest.raises(RuntimeError, match="index: expected all tensors"):
            here[torch.tensor([0], device="cuda")]
        with pytest.raises(TypeError, match="to numpy"):
            there.detach().numpy()
        with pytest.raises(RuntimeError, match="generator"):
            torch.rand(2, generator=torch.Generator(), device="cuda")
        (there[torch.tensor([0])] * 3 + torch.tensor(1.0)).sum().backward()  # indices and numbers from the CPU will do
        assert there.grad is not None
        assert there.grad.tolist() == [3, 0]
