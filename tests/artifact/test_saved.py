from __future__ import annotations

import errno
from pathlib import Path

import polars as pl
import pytest
import torch

from motet.artifact import folder
from motet.artifact.saved import kept, load, save
from motet.data.log import EventLog
from motet.data.schema import Categorical, MultiValued, Numeric, Schema, Text, Timestamp
from motet.errors import ArtifactError, ConfigError
from motet.index import ExactIndex
from motet.mapped import ALIGNMENT, is_mapped
from motet.model import Model
from motet.recommender import Recommender
from motet.tasks import Rating, Retrieval
from motet.towers import FeatureTower
from motet.train import fit


def make_log() -> EventLog:
    generator = torch.Generator().manual_seed(3)
    users = torch.randint(1, 9, (60,), generator=generator)
    items = torch.randint(0, 12, (60,), generator=generator)
    events = pl.DataFrame(
        {
            "member": users.numpy(),
            "title": [f"Film {chr(97 + n)} ({n})" for n in items.tolist()],
            "stars": [None, *torch.randint(1, 6, (59,), generator=generator).float().tolist()],
            "day": range(60),
        }
    )
    people = pl.DataFrame(
        {
            "member": range(1, 10),
            "age": [None, *range(20, 28)],
            "zip/code": ["a", "b", None] * 3,
            "born": pl.Series(range(9)).cast(pl.Date),
        }
    )
    films = pl.DataFrame(
        {
            "title": [f"Film {chr(97 + n)} ({n})" for n in range(14)],
            "genres": ["war|drama", "", None, "drama", "comedy|war|drama", "jazz", "jazz"] * 2,
            "shelf": pl.Series(["x", "y"] * 7, dtype=pl.Categorical),
        }
    )
    schema = Schema(
        user="member",
        item="title",
        time="day",
        signals=("stars",),
        user_features={"age": Numeric(), "zip/code": Categorical(), "born": Timestamp()},
        item_features={"genres": MultiValued(), "title": Text(max_tokens=5), "shelf": Categorical()},
    )
    return EventLog.read(events, schema, users=people, items=films)


def make_model(log: EventLog, kind: type[Model] = Model, dim: int = 8) -> Model:
    torch.manual_seed(0)
    model = kind(
        user=FeatureTower(log.users, dim=dim, hidden=(16,), dropout=0.5),
        item=FeatureTower(log.items, dim=dim),
        tasks=[Retrieval(item_bias=True), Rating("stars", hidden=(4,), biases=True)],
        weights={"stars": 0.3},
    )
    model.prepare(log)
    return model


@pytest.fixture
def log() -> EventLog:
    return make_log()


def test_same_answers_bit_for_bit(log: EventLog, tmp_path: Path) -> None:
    recommender = Recommender(make_model(log), log)
    recommender.save(tmp_path / "model")
    again = Recommender.load(tmp_path / "model")
    for ask in (
        lambda it: it.recommend([1, 2, 9, 77], 6),
        lambda it: it.recommend(3, 4, exclude_seen=False, candidates=5),
        lambda it: it.similar_items("Film a (0)", 5),
        lambda it: it.similar_users(4, 5),
    ):
        before, after = ask(recommender), ask(again)
        assert before.ids.tolist() == after.ids.tolist()
        assert torch.equal(before.scores, after.scores)
        assert torch.equal(before.known, after.known)
        for name, scores in before.tasks.items():
            assert torch.equal(scores, after.tasks[name])
    assert again.model.weights == recommender.model.weights
    assert not again.model.training
    assert again.items.table.equals(log.items.table)
    assert again.log.schema == log.schema
    assert again.log.columns.keys() == log.columns.keys()
    for name, column in log.columns.items():
        torch.testing.assert_close(again.log.columns[name], column, rtol=0, atol=0, equal_nan=True)


def test_training_on_leaves_the_file_alone(log: EventLog, tmp_path: Path) -> None:
    save(tmp_path / "m", make_model(log), log)
    written = (tmp_path / "m" / "model.safetensors").read_bytes()
    loaded = load(tmp_path / "m").model
    before = {name: tensor.clone() for name, tensor in loaded.state_dict().items()}
    fit(loaded, log, epochs=2, device="cpu", progress=False)
    assert (tmp_path / "m" / "model.safetensors").read_bytes() == written
    assert any(not torch.equal(tensor, before[name]) for name, tensor in loaded.state_dict().items())
    trained = {name: tensor.clone() for name, tensor in loaded.state_dict().items()}
    save(tmp_path / "m", loaded, log)  # over the file that the weights lie in
    for name, tensor in load(tmp_path / "m").model.state_dict().items():
        assert torch.equal(tensor, trained[name])
        assert torch.equal(loaded.state_dict()[name], trained[name])


def test_only_tables_stay_in_their_file_and_nothing_is_drawn(log: EventLog, tmp_path: Path) -> None:
    save(tmp_path / "m", make_model(log), log)
    state = torch.get_rng_state()
    model = load(tmp_path / "m").model
    assert torch.equal(torch.get_rng_state(), state)
    mapped = {name for name, tensor in model.state_dict().items() if is_mapped(tensor)}
    tables = ["user.ids", "item.ids", "user.features.encoders.1.embedding", "_tasks.1.user_bias", "_tasks.1.item_bias"]
    tables += [f"item.features.encoders.{number}.embedding" for number in range(3)]
    assert mapped == {f"{name}.weight" for name in tables}
    for name, tensor in model.state_dict().items():  # where torch lays them, or products round otherwise
        assert name in mapped or tensor.data_ptr() % ALIGNMENT == 0


def test_an_index_and_what_tasks_count_for_are_kept(log: EventLog, tmp_path: Path) -> None:
    plain = Recommender(make_model(log), log)
    index = ExactIndex(plain.ranker.index.vectors)
    index.remove(torch.tensor([2, 3]))
    Recommender(plain.model, log, index=index, by={"stars": 2.0}).save(tmp_path / "model")
    again = Recommender.load(tmp_path / "model")
    assert again.ranker.index.removed.tolist() == [2, 3]
    assert again.by == {"retrieval": 0.0, "stars": 2.0}
    assert again.model.weights == {"retrieval": 1.0, "stars": 0.3}
    assert again.recommend(3, 5).ids.tolist() == again.recommend(3, 5, by={"stars": 1.0}).ids.tolist()
    assert again.recommend(3, 5).ids.tolist() != plain.recommend(3, 5).ids.tolist()
    again.save(tmp_path / "again")
    assert (tmp_path / "again" / "fusion.json").read_bytes() == (tmp_path / "model" / "fusion.json").read_bytes()


def test_what_tasks_count_for_is_checked(log: EventLog, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"by names 'star', which is no task of the model; did you mean 'stars'"):
        Recommender(make_model(log), log, by={"star": 1.0})
    save(tmp_path / "model", make_model(log), log, by={"star": 1.0})
    with pytest.raises(ConfigError, match=r"'.*model': by names 'star', which is no task"):
        Recommender.load(tmp_path / "model")


def test_context_is_left_out(tmp_path: Path) -> None:
    events = pl.DataFrame({"user_id": [1, 2], "item_id": [1, 2], "stars": [1, 2], "device": ["tv", "phone"]})
    log = EventLog.read(events, Schema(signals=("stars",), context_features={"device": Categorical()}))
    Recommender(make_model(log), log).save(tmp_path / "model")
    again = Recommender.load(tmp_path / "model").log
    assert again.schema == Schema(signals=("stars",))
    assert set(again.columns) == {"user_id", "item_id", "stars"}
    assert len(again.encode(events.drop("device"))) == 2


def test_saving_twice_writes_the_same_bytes(log: EventLog, tmp_path: Path) -> None:
    Recommender(make_model(log), log).save(tmp_path / "one")
    Recommender.load(tmp_path / "one").save(tmp_path / "two")
    for name in (
        "manifest.json",
        "model.json",
        "model.safetensors",
        "users.parquet",
        "items.parquet",
        "events.safetensors",
    ):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_full_disk_leaves_the_old_model_whole(log: EventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recommender = Recommender(make_model(log), log)
    recommender.save(tmp_path / "model")
    write = folder._write

    def full(file: Path, content: bytes) -> dict[str, int | str]:
        if file.name == "items.parquet":
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, content)

    monkeypatch.setattr(folder, "_write", full)
    with pytest.raises(ArtifactError, match=r"could not save to '.*model': No space left on device"):
        Recommender(make_model(log, dim=4), log).save(tmp_path / "model")
    again = Recommender.load(tmp_path / "model")
    assert torch.equal(again.recommend(1, 5).scores, recommender.recommend(1, 5).scores)


def test_edited_weights_are_refused(log: EventLog, tmp_path: Path) -> None:
    save(tmp_path / "model", make_model(log), log)
    weights = tmp_path / "model" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"'model.safetensors' in '.*model' was changed: its sha256 is"):
        load(tmp_path / "model")


class OwnModel(Model):
    """Someone who outgrew the declarations."""


def test_a_model_saved_again_meanwhile_is_read_again(
    log: EventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recommender, path = Recommender(make_model(log), log), tmp_path / "model"
    recommender.save(path)
    checked = folder.read_folder
    others = [1]

    def interrupted(path: Path) -> Path:
        found = checked(path)
        if others.pop():
            Recommender(make_model(log, dim=6), log).save(path)
        return found

    monkeypatch.setattr("motet.artifact.saved.read_folder", interrupted)
    others[:] = [0, 1]
    assert Recommender.load(path).model.item.dim == 6
    assert others == []


def test_own_classes_are_saved_and_loaded_into_a_built_model(log: EventLog, tmp_path: Path) -> None:
    recommender = Recommender(make_model(log, OwnModel), log)
    recommender.save(tmp_path / "model")
    words = (
        r"'.*model' holds the weights of OwnModel\(FeatureTower, FeatureTower, Retrieval, Rating\), and not all of "
        r"these classes are motet's own; build the model as for training and pass it: load\(path, model=...\)"
    )
    with pytest.raises(ConfigError, match=words):
        Recommender.load(tmp_path / "model")
    torch.manual_seed(9)
    again = Recommender.load(tmp_path / "model", model=make_model(make_log(), OwnModel))
    assert torch.equal(again.recommend(2, 5).scores, recommender.recommend(2, 5).scores)


def test_weights_that_are_none_are_named_also_for_a_built_model(log: EventLog, tmp_path: Path) -> None:
    save(tmp_path / "model", make_model(log), log)
    files = [(name, content) for name, content in kept(tmp_path / "model") if name != "model.safetensors"]
    folder.write_folder(tmp_path / "model", [*files, ("model.safetensors", b"weights")])
    for model in (None, make_model(log)):
        with pytest.raises(ArtifactError, match=r"'model\.safetensors' in '.*model' does not hold what motet writes"):
            load(tmp_path / "model", model)


def test_a_built_model_that_does_not_fit_is_refused(log: EventLog, tmp_path: Path) -> None:
    save(tmp_path / "model", make_model(log), log)
    with pytest.raises(ConfigError, match=r"the saved weights do not fit the model: size mismatch for user.*"):
        load(tmp_path / "model", model=make_model(log, dim=4))
    other = EventLog.read(
        pl.DataFrame({"member": [1, 2], "title": ["a", "b"], "stars": [1, 2]}), Schema("member", "title")
    )
    model = Model(user=FeatureTower(other.users), item=FeatureTower(other.items), tasks=[Retrieval()])
    words = r"the users of the given model \(2\) are not those of the saved one \(9\); build it from the log"
    with pytest.raises(ConfigError, match=words):
        load(tmp_path / "model", model=model)


def test_weights_in_float64_are_not_saved(log: EventLog, tmp_path: Path) -> None:
    words = (
        r"parameter 'user.*' is torch.float64, and saved models hold float32; call model.float\(\), and make the Rec"
    )
    with pytest.raises(ConfigError, match=words):
        Recommender(make_model(log).double(), log).save(tmp_path / "model")
    assert not (tmp_path / "model").exists()
