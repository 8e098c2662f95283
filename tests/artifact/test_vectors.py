from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor

from motet.artifact import vectors as kept_vectors
from motet.artifact.folder import write_folder
from motet.artifact.saved import kept, load, put_index, save
from motet.artifact.vectors import Vectors
from motet.data.batch import Batch
from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.errors import ArtifactError
from motet.index import ApproximateIndex, ExactIndex, approximate, rounded
from motet.mapped import aligned, is_mapped
from motet.model import Model
from motet.recommender import Recommender
from motet.tasks import Rating, Retrieval, Task
from motet.towers import FeatureTower

ITEMS = 40


@pytest.fixture
def log() -> EventLog:
    events = {"user_id": list(range(1, 9)) * 5, "item_id": range(ITEMS), "stars": [1, 2, 3, 4] * 10}
    return EventLog.read(pl.DataFrame(events), Schema(signals=("stars",)))


def make(log: EventLog, *tasks: Task, seed: int = 0) -> Recommender:
    torch.manual_seed(seed)
    towers = [FeatureTower(side, dim=7, hidden=(5,)) for side in (log.users, log.items)]
    model = Model(user=towers[0], item=towers[1], tasks=tasks or [Retrieval(item_bias=True), Rating("stars")])
    model.prepare(log)
    return Recommender(model, log)


def changed(folder: Path, other: Path, *names: str) -> Path:
    """A saved model with some files of another one, under checksums that hold."""
    write_folder(other, [*kept(folder, *names), *(pair for pair in kept(other) if pair[0] in names)])
    return other


@pytest.mark.parametrize("bias", [True, False])
def test_the_vectors_are_held_once(log: EventLog, tmp_path: Path, bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approximate, "FEWEST", 16)
    recommender = make(log, Retrieval(item_bias=bias), Rating("stars"))
    rows = recommender.ranker.index.vectors
    assert rows.untyped_storage().data_ptr() == recommender.scorer.items.untyped_storage().data_ptr()
    index = ApproximateIndex(rows, cells=2, probes=2, shortlist=30)
    Recommender(recommender.model, log, index=index).save(tmp_path / "model")
    assert "vectors" not in load_file(tmp_path / "model" / "index.safetensors")
    again = Recommender.load(tmp_path / "model")
    held = again.scorer.vectors.rows
    assert held.shape == (ITEMS + 1, 8 if bias else 7)
    assert is_mapped(held)
    for part in (again.scorer.items, again.scorer.candidates(), again.ranker.index.vectors):
        assert part.untyped_storage().data_ptr() == held.untyped_storage().data_ptr()
    assert held.equal(recommender.scorer.vectors.rows)
    before = Recommender(recommender.model, log, index=index).recommend([3, 99], 9)
    assert torch.equal(again.recommend([3, 99], 9).scores, before.scores)


def test_rounded_vectors_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = {"user_id": list(range(1, 9)) * 25, "item_id": range(200), "stars": [1, 2, 3, 4] * 50}
    log = EventLog.read(pl.DataFrame(events), Schema(signals=("stars",)))
    monkeypatch.setattr(rounded, "FEWEST", 16)
    monkeypatch.setattr(rounded, "NARROWEST", 1)
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: True)
    recommender = make(log)
    recommender.save(tmp_path / "model")
    again = Recommender.load(tmp_path / "model")
    assert isinstance(again.ranker.index, ExactIndex)
    assert again.ranker.index.rounded is not None
    assert is_mapped(again.ranker.index.rounded.codes)
    assert torch.equal(again.recommend([3, 99], 9).scores, recommender.recommend([3, 99], 9).scores)
    again.save(tmp_path / "again")
    assert (tmp_path / "again/manifest.json").read_bytes() == (tmp_path / "model/manifest.json").read_bytes()


def test_answers_are_those_of_before(log: EventLog, tmp_path: Path) -> None:
    recommender = make(log)
    recommender.save(tmp_path / "model")
    again = Recommender.load(tmp_path / "model")
    for ask in (
        lambda it: it.recommend([3, 99], 9),
        lambda it: it.recommend(99, 5, histories={99: [4, 5]}),
        lambda it: it.similar_items([4, 5], 6),
    ):
        assert torch.equal(ask(again).scores, ask(recommender).scores)
        assert ask(again).ids.tolist() == ask(recommender).ids.tolist()


def test_without_a_task_that_ranks_the_catalogue_they_are_those_of_the_tower(log: EventLog, tmp_path: Path) -> None:
    recommender = make(log, Rating("stars"))
    recommender.save(tmp_path / "model")
    again = Recommender.load(tmp_path / "model")
    assert again.scorer.vectors.task == ""
    assert again.scorer.items.equal(recommender.scorer.items)
    assert torch.equal(again.recommend(3, 5).scores, recommender.recommend(3, 5).scores)


class Halved(Retrieval):
    """A task whose candidates do not begin with the vectors."""

    def candidates(self, item: Float[Tensor, "n item_dim"], batch: Batch) -> Float[Tensor, "n width"]:
        return super().candidates(item, batch) / 2


def test_candidates_that_are_made_anew_lie_beside_them(log: EventLog, tmp_path: Path) -> None:
    recommender = make(log, Halved(), Rating("stars"))
    assert recommender.scorer.vectors.task == ""
    index = ExactIndex(recommender.ranker.index.vectors)
    Recommender(recommender.model, log, index=index).save(tmp_path / "model")
    again = Recommender.load(tmp_path / "model", model=make(log, Halved(), Rating("stars"), seed=1).model)
    assert again.scorer.candidates().equal(recommender.scorer.candidates())
    assert torch.equal(again.recommend(3, 5).scores, recommender.recommend(3, 5).scores)


def test_what_counts_when_it_is_loaded_says_whose_candidates_are_asked(log: EventLog, tmp_path: Path) -> None:
    tasks = lambda: [Retrieval("one", item_bias=True), Retrieval("two", item_bias=True)]  # noqa: E731
    make(log, *tasks()).save(tmp_path / "model")
    model = make(log, *tasks(), seed=1).model
    model.weights = {"one": 0.0}
    again = Recommender.load(tmp_path / "model", model=model)
    assert again.scorer.vectors.task == "one"
    assert again.scorer.corpus is again.model.tasks["two"]
    assert again.scorer.candidates().equal(Recommender(again.model, log).scorer.candidates())


def test_a_model_saved_without_makes_them(log: EventLog, tmp_path: Path) -> None:
    recommender = make(log)
    save(tmp_path / "model", recommender.model, log)
    assert load(tmp_path / "model").vectors is None
    again = Recommender.load(tmp_path / "model")
    assert torch.equal(again.scorer.vectors.rows, recommender.scorer.vectors.rows)


def test_vectors_of_other_weights_are_refused(log: EventLog, tmp_path: Path) -> None:
    for seed, name in enumerate(("model", "other")):
        make(log, seed=seed).save(tmp_path / name)
    mixed = changed(tmp_path / "model", tmp_path / "other", "vectors.safetensors")
    words = (
        r"'vectors.safetensors' in '.*other' is of other weights: the stored vectors, of shape \(41, 8\), differ from "
        "those of the model's 40 items; save the model again"
    )
    with pytest.raises(ArtifactError, match=words):
        Recommender.load(mixed)


def test_an_index_of_other_vectors_is_refused(log: EventLog, tmp_path: Path) -> None:
    for seed, name in enumerate(("model", "other")):
        recommender = make(log, seed=seed)
        recommender.save(tmp_path / name)
        put_index(tmp_path / name, ExactIndex(recommender.ranker.index.vectors))
    mixed = changed(tmp_path / "model", tmp_path / "other", "index.safetensors")
    with pytest.raises(ArtifactError, match=r"'.*index.safetensors' is an index of other vectors; build it again"):
        Recommender.load(mixed)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (torch.zeros(41), r"it holds numbers of shape \(41,\) and kind torch.float32, which are not vectors"),
        (torch.zeros(41, 8, dtype=torch.int64), r"shape \(41, 8\) and kind torch.int64, which are not vectors"),
        (torch.zeros(41, 8, dtype=torch.float64), "stored vectors, of shape .* differ from those of the model's 40"),
        (torch.zeros(40, 8), r"the stored vectors, of shape \(40, 8\), differ from those of the model's 40 items"),
        (torch.zeros(41, 7), r"the stored vectors, of shape \(41, 7\), differ from those of the model's 40 items"),
    ],
)
def test_what_are_no_vectors_of_the_items_is_named(log: EventLog, tmp_path: Path, rows: Tensor, words: str) -> None:
    make(log).save(tmp_path / "model")
    content = aligned("vectors", rows, {"task": "retrieval"})
    write_folder(tmp_path / "model", [*kept(tmp_path / "model", kept_vectors.FILE), (kept_vectors.FILE, content)])
    with pytest.raises(ArtifactError, match=f"'vectors.safetensors' in .*{words}"):
        Recommender.load(tmp_path / "model")


def test_a_task_that_is_none_is_named(log: EventLog, tmp_path: Path) -> None:
    recommender = make(log)
    for task in ("stars", "click"):
        save(tmp_path / task, recommender.model, log, vectors=Vectors(recommender.scorer.vectors.rows, task))
        with pytest.raises(ArtifactError, match=r"'vectors.safetensors' in .* is of other weights"):
            Recommender.load(tmp_path / task)
