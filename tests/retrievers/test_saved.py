"""A recommender with stages, served, saved and loaded."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor

from motet.artifact.folder import write_folder
from motet.artifact.saved import kept
from motet.data.log import EventLog
from motet.data.mix import Mix
from motet.data.neighbours import Neighbours
from motet.data.pair_features import PairFeatures
from motet.data.schema import Schema
from motet.errors import ArtifactError, ConfigError, MotetError
from motet.model import Model
from motet.recommender import Recommender
from motet.retrievers import Alike, Found, Touched
from motet.scorer import Askers
from motet.tasks import Event, Retrieval, WithContext
from motet.towers import FeatureTower
from motet.train import fit

BOUGHT = "event == 'buy'"


class Best(Touched):
    """Of a class of its own."""

    def find(self, askers: Askers, most: int) -> Found:
        return super().find(askers, most)


@pytest.fixture(scope="module")
def near(shop: EventLog) -> Neighbours:
    return Neighbours.of(shop, most=5, shrinkage=1.0)


@pytest.fixture(scope="module")
def context(shop: EventLog, near: Neighbours) -> PairFeatures:
    return PairFeatures(shop, near={"buy": near})


@pytest.fixture(scope="module")
def model(shop: EventLog, context: PairFeatures) -> Model:
    pairs = pl.DataFrame({"user_id": [1, 2, 3, 4], "item_id": [3, 4, 5, 6], "bought": [1, 0, 1, 0]})
    rows = context.add(shop.encode(pairs, schema=Schema(signals=("bought",))))
    torch.manual_seed(0)
    model = Model(
        user=FeatureTower(shop.users, dim=4, init_scale=1.0),
        item=FeatureTower(shop.items, dim=4, init_scale=1.0),
        tasks=[
            Retrieval("view", positives="event == 'view'", heads=1),
            Retrieval("buy", positives=BOUGHT),
            WithContext(Event("bought"), context.names, vectors=False),
        ],
    )
    fit(model, Mix([shop, rows]), epochs=2, batch_size=64, device="cpu", progress=False)
    return model


@pytest.fixture(scope="module")
def staged(shop: EventLog, model: Model, near: Neighbours, context: PairFeatures) -> Recommender:
    return Recommender(
        model,
        shop,
        by={"buy": 1.0},
        seen=BOUGHT,
        retrieve=[Touched("event != 'buy'", by="bought"), Alike(near, BOUGHT), "buy"],
        context=context,
    )


def of(shop: EventLog, user: int, kinds: list[str]) -> set[int]:
    rows = shop.frame().filter((pl.col("user_id") == user) & pl.col("event").is_in(kinds))
    return set(rows["item_id"].to_list())


def test_stages_come_one_after_the_other(shop: EventLog, staged: Recommender, near: Neighbours) -> None:
    """What was touched by `bought`, then neighbours by their sums, then the rest by `buy`; bought items never."""
    users = list(range(1, 9))
    top = staged.recommend(users, 25)
    for user, line in zip(users, top.each(), strict=True):
        bought = of(shop, user, ["buy"])
        touched = of(shop, user, ["view", "cart"]) - bought
        rest = set(range(1, 26)) - bought
        tasks = {
            name: dict(zip(sorted(rest), scores.tolist(), strict=True)) for name, scores in said(staged, user, rest)
        }
        alike = {item: sum(float(near.similarity(*pair(one, item))) for one in bought) for item in rest}
        key = {
            item: (2, tasks["bought"][item], 0.0)
            if item in touched
            else (1, alike[item], tasks["buy"][item])
            if alike[item]
            else (0, tasks["buy"][item], 0.0)
            for item in rest
        }
        ordered = [key[item] for item in line.ids]
        assert set(line.ids) == rest
        assert [stage for stage, *_ in ordered] == line.scores.floor().int().tolist()
        for (stage, score, tie), (next_stage, next_score, next_tie) in pairwise(ordered):
            closer = abs(score - next_score) < 1e-6
            assert stage > next_stage or score > next_score or (closer and tie >= next_tie - 1e-6)
        assert (line.scores.diff() <= 0).all()
        assert line.tasks["bought"].tolist() == pytest.approx([tasks["bought"][item] for item in line.ids])


def said(recommender: Recommender, user: int, items: set[int]) -> list[tuple[str, Tensor]]:
    return [*recommender.predict(user, sorted(items)).items()]


def pair(one: int, other: int) -> tuple[Tensor, Tensor]:
    return torch.tensor([one]), torch.tensor([other])


def test_filters_hold_in_every_stage(shop: EventLog, staged: Recommender) -> None:
    touched = sorted(of(shop, 3, ["view"]) - of(shop, 3, ["buy"]))
    everything = set(range(1, 26))
    without = staged.recommend(3, 25, exclude=touched[:2])
    assert set(without.ids) == everything - of(shop, 3, ["buy"]) - set(touched[:2])
    only = staged.recommend([3, 5], 2, only=[touched[0], 24, 25], exclude_seen=False)
    assert set(only.ids[0]) <= {touched[0], 24, 25}
    assert only.ids[0][0] == touched[0]
    assert set(staged.recommend(3, 25, exclude_seen=False).ids) == everything
    assert staged.recommend(3, 5).ids.tolist() == staged.recommend(3, 25).ids[:5].tolist()
    torch.testing.assert_close(staged.recommend(3, 5).scores, staged.recommend(3, 25).scores[:5])


def test_what_a_question_tells_is_seen_and_has_neighbours(staged: Recommender, near: Neighbours) -> None:
    stranger = staged.recommend(99, 3, histories={99: [5]})
    alike = near.similarities[near.pairs // near.items == 5]
    assert stranger.basis == "history"
    assert 5 not in stranger.ids
    assert stranger.scores.floor().tolist()[: len(alike)] == [1.0] * min(3, len(alike))


def test_candidates_of_several_tasks_are_ranked_together(shop: EventLog, model: Model, context: PairFeatures) -> None:
    alone = {name: Recommender(model, shop, context=context, retrieve=[name]) for name in ("view", "buy")}
    both = Recommender(model, shop, context=context, retrieve=[["view", "buy"]])
    for user in (1, 4, 7):
        found = {name: one.recommend(user, 3, candidates=3, by={name: 1.0}).ids.tolist() for name, one in alone.items()}
        assert found["view"] != found["buy"]
        for name, best in found.items():
            assert both.recommend(user, 3, candidates=3, by={name: 1.0}).ids.tolist() == best
        assert set(both.recommend(user, 3, candidates=3).ids) <= {*found["view"], *found["buy"]}


def test_saved_and_loaded_it_answers_bit_for_bit(shop: EventLog, staged: Recommender, tmp_path: Path) -> None:
    staged.save(tmp_path / "model")
    again = Recommender.load(tmp_path / "model")
    users = [*range(1, 10), 99]
    one, other = (each.recommend(users, 12, histories={99: [5]}) for each in (staged, again))
    assert one.ids.tolist() == other.ids.tolist()
    assert torch.equal(one.scores, other.scores)
    for name, scores in one.tasks.items():
        assert torch.equal(scores.nan_to_num(), other.tasks[name].nan_to_num())
    again.save(tmp_path / "twice")
    files = [tmp_path / name / "neighbours.safetensors" for name in ("model", "twice")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert len(shop) == len(again.log)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seen": "event ="}, "event ="),
        ({"seen": "kind == 'x'"}, "kind"),
        ({"stages": [[{"class": "Touched", "where": "no such"}]]}, "no such"),
        ({"stages": [[{"class": "EventLog"}]]}, "KeyError: 'EventLog'"),
        ({"near": {"view": 9}}, "IndexError"),
        ({"stages": 3}, "TypeError"),
    ],
)
def test_what_no_recommender_has_is_named(
    staged: Recommender, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    staged.save(tmp_path / "model")
    files = dict(kept(tmp_path / "model"))
    files["retrieval.json"] = json.dumps(json.loads(files["retrieval.json"]) | changes).encode()
    write_folder(tmp_path / "model", files.items())
    with pytest.raises(MotetError, match=f"'retrieval.json' in '.*model'.*{words}"):
        Recommender.load(tmp_path / "model")


def test_neighbours_that_are_none_are_named(staged: Recommender, tmp_path: Path) -> None:
    staged.save(tmp_path / "model")
    files = dict(kept(tmp_path / "model"))
    whole = load(files["neighbours.safetensors"])
    for change, words in (
        ({"0.pairs": whole["0.pairs"].flip(0)}, r"its neighbours are not ascending pairs of \d+ items"),
        ({"0.pairs": whole["0.pairs"] + 10**9}, r"its neighbours are not ascending pairs of \d+ items"),
        ({"0.pairs": whole["0.pairs"][1:]}, "its neighbours are not pairs of whole numbers, each with a similarity"),
        ({"0.similarities": whole["0.similarities"] * torch.nan}, "its neighbours are not pairs of whole numbers"),
    ):
        files["neighbours.safetensors"] = save({name: part.clone() for name, part in (whole | change).items()})
        write_folder(tmp_path / "model", files.items())
        with pytest.raises(ArtifactError, match=words):
            Recommender.load(tmp_path / "model")


def test_only_a_condition_needs_no_neighbours(
    shop: EventLog, model: Model, context: PairFeatures, tmp_path: Path
) -> None:
    Recommender(model, shop, seen=BOUGHT, context=PairFeatures(shop, near=context.near)).save(tmp_path / "model")
    assert Recommender.load(tmp_path / "model").retrieval.seen == BOUGHT


def test_refuses_what_it_cannot_serve_or_save(
    shop: EventLog, model: Model, context: PairFeatures, tmp_path: Path
) -> None:
    with pytest.raises(
        ConfigError,
        match=r"task 'bought' reads 'pair_buy' of a user with an item, .* context=PairFeatures\(log\), .*: none\. A",
    ):
        Recommender(model, shop)
    with pytest.raises(ConfigError, match="task 'bought' reads 'near_buy'"):
        Recommender(model, shop, context=PairFeatures(shop))
    own = Recommender(model, shop, context=context, retrieve=[Best("event == 'view'"), "buy"])
    with pytest.raises(ConfigError, match="Best is not one of motet's own retrievers"):
        own.save(tmp_path / "model")
