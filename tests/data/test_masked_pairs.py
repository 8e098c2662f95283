"""masked_pairs: labelled pairs from a log whose purchases are masked one by one."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
import torch

from motet.data.log import EventLog
from motet.data.masked_pairs import masked_pairs
from motet.data.mix import Mix
from motet.data.neighbours import Neighbours
from motet.data.pair_features import PairFeatures
from motet.data.recent import check_recent, latest, recent
from motet.data.schema import Categorical, Schema
from motet.errors import ConfigError, DataError
from motet.model import Model
from motet.tasks import Event, Retrieval
from motet.towers import FeatureTower, SequenceTower
from motet.train import fit

PLAIN, TIMED = Schema(event="event"), Schema(time="time", event="event")
KINDS = ("view", "view", "cart", "buy")


def events(rows: int = 160, seed: int = 2) -> pl.DataFrame:
    generator = torch.Generator().manual_seed(seed)

    def draw(most: int) -> list[int]:
        return torch.randint(0, most, (rows,), generator=generator).tolist()

    kinds = [KINDS[code] for code in draw(len(KINDS))]
    return pl.DataFrame({"user_id": draw(12), "item_id": draw(9), "time": draw(60), "event": kinds})


def read(frame: pl.DataFrame, *, timed: bool) -> EventLog:
    return EventLog.read(frame, TIMED if timed else PLAIN)


def near(known: EventLog) -> dict[str, Neighbours]:
    return {"buy": Neighbours.of(known, where="event == 'buy'", shrinkage=0.0)}


def pairs_of(log: EventLog, **more: Any) -> EventLog:
    return masked_pairs(log, "buy", label="bought", **more)


def firsts(frame: pl.DataFrame, kinds: list[str]) -> dict[tuple[int, int], int]:
    """When each user first had each item."""
    rows = frame.filter(pl.col("event").is_in(kinds)).group_by("user_id", "item_id").agg(pl.col("time").min())
    return {(user, item): time for user, item, time in rows.iter_rows()}


@pytest.mark.parametrize("timed", [False, True])
def test_pairs_are_what_was_touched_and_not_bought(timed: bool) -> None:
    frame = events()
    found = pairs_of(read(frame, timed=timed)).frame()
    touched, bought = firsts(frame, ["view", "cart"]), firsts(frame, ["buy"])
    for user in range(12):
        own = found.filter(pl.col("user_id") == user)
        purchases = {item: time for (who, item), time in bought.items() if who == user}
        asked = dict(zip(own["item_id"], own["bought"], strict=True))
        ways = []
        for masked, moment in purchases.items():
            if timed:
                early = [item for (who, item), time in touched.items() if who == user and time < moment]
                kept = [item for item in early if item == masked or purchases.get(item, 99) > moment]
            else:
                everything = [item for who, item in touched if who == user]
                kept = [item for item in everything if item == masked or item not in purchases]
            ways.append({item: float(item == masked) for item in kept})
        assert asked in ways if ways else not asked
        assert own["bought"].sum() <= 1
    assert found["bought"].sum() > 0


def test_features_are_those_of_the_log_without_the_masked_events() -> None:
    frame = events()
    viewed = frame.filter(pl.col("event") == "buy").with_columns(event=pl.lit("view"))  # so every purchase is found
    log = read(pl.concat([frame, viewed]), timed=False)
    pairs = pairs_of(log, near=near)
    masked = pairs.frame().filter(pl.col("bought") == 1).with_columns(event=pl.lit("buy"))
    assert masked["user_id"].is_unique().all()
    assert set(masked["user_id"]) == set(frame.filter(pl.col("event") == "buy")["user_id"])
    known = log.encode(log.frame().join(masked, on=["user_id", "item_id", "event"], how="anti"))
    expected = PairFeatures(known, near=near(known)).columns(pairs.batch().users, pairs.batch().items)
    assert all(torch.equal(pairs.columns[name], column) for name, column in expected.items())
    assert not pairs.columns["pair_buy"].any()


def test_with_times_features_are_those_of_the_moment_of_the_masked_event() -> None:
    log = read(events(), timed=True)
    pairs = pairs_of(log, rounds=3)
    batch = pairs.batch()
    expected = PairFeatures(log).columns(batch.users, batch.items, before=batch["time"])
    assert all(torch.equal(pairs.columns[name], column) for name, column in expected.items())
    assert not pairs.columns["pair_buy"].any()
    bought = firsts(events(), ["buy"])
    for user, item, time in pairs.take(batch["bought"] == 1).frame().select("user_id", "item_id", "time").iter_rows():
        assert bought[user, item] == time


def test_neighbours_do_not_know_what_is_masked() -> None:
    rows = [(user, item, "buy") for user in (1, 2, 3) for item in ("a", "b")] + [(4, "a", "buy"), (4, "b", "buy")]
    views = [(user, item, "view") for user in (1, 2, 3, 4) for item in ("a", "b")]
    log = EventLog.read(pl.DataFrame(rows + views, ["user_id", "item_id", "event"], orient="row"), PLAIN)
    # Everybody bought a and b; with one of the two masked, nobody did.
    assert not pairs_of(log, near=near).columns["near_buy"].any()
    leaking = pairs_of(log, near=lambda _: near(log)).columns["near_buy"]
    assert leaking.all()


@pytest.mark.parametrize("timed", [False, True])
def test_the_same_seed_gives_the_same_pairs(timed: bool) -> None:
    log = read(events(), timed=timed)
    one, same, other = (pairs_of(log, seed=seed, rounds=2, near=near).columns for seed in (3, 3, 4))
    assert all(torch.equal(column, same[name]) for name, column in one.items())
    assert not torch.equal(one["user_id"], other["user_id"])
    assert len(one["bought"]) > len(pairs_of(log, seed=3).columns["bought"])
    pairs_of(log, seed=-1)


def test_repeated_events_change_nothing() -> None:
    frame = events()
    once, twice = pairs_of(read(frame, timed=False)), pairs_of(read(pl.concat([frame, frame]), timed=False))
    assert once.frame().equals(twice.frame())


def test_unknown_users_and_items_are_left_out() -> None:
    frame = events()
    strangers = frame.with_columns(pl.col("user_id") + 100)
    novelties = frame.with_columns(pl.col("item_id") + 100)
    log = read(frame, timed=True)
    joined = log.encode(pl.concat([frame, strangers, novelties]))
    assert (
        pairs_of(log)
        .frame()
        .select("user_id", "item_id", "bought", "time")
        .equals(pairs_of(joined).frame().select("user_id", "item_id", "bought", "time"))
    )


def test_candidates_are_of_the_types_that_are_named() -> None:
    frame = events()
    carted = firsts(frame, ["cart"])
    found = pairs_of(read(frame, timed=False), candidates=["cart"]).frame()
    assert {(user, item) for user, item in found.select("user_id", "item_id").iter_rows()} <= carted.keys()


def test_a_positive_needs_a_touch() -> None:
    rows = [(1, "a", "view"), (1, "b", "buy"), (2, "a", "view"), (3, "b", "view"), (3, "b", "buy")]
    log = EventLog.read(pl.DataFrame(rows, ["user_id", "item_id", "event"], orient="row"), PLAIN)
    found = pairs_of(log).frame().select("user_id", "item_id", "bought").rows()
    assert found == [(1, "a", 0.0), (3, "b", 1.0)]  # 1 never viewed b; 2 bought nothing


def test_they_mix_with_the_log_that_they_came_from() -> None:
    frame = events().with_columns(device=pl.lit("tv"))
    log = EventLog.read(frame, Schema(time="time", event="event", context_features={"device": Categorical()}))
    pairs = pairs_of(log)
    mix = Mix([log, pairs]).log
    assert mix.columns["bought"][: len(log)].isnan().all()
    assert not mix.columns["event"][len(log) :].any()
    assert set(pairs.schema.context_features) == set(PairFeatures(log).names)


@pytest.mark.parametrize("where", [None, "event == 'view'"])
def test_sequences_end_before_the_masked_event_and_do_not_count_pairs(where: str | None) -> None:
    log = recent(read(events(), timed=True), 5, where=where)
    pairs = pairs_of(log, rounds=2)
    moments = {(row["user_id"], row["time"]): row["recent"] for row in _rows(log)}
    assert all(row["recent"] == moments[row["user_id"], row["time"]] for row in _rows(pairs))
    mix = Mix([log, pairs])
    check_recent(mix)
    users = len(log.users)
    assert torch.equal(latest(mix, users, 5), latest(log, users, 5))
    model = Model(
        user=SequenceTower(log.users, log.items, dim=4, length=5),
        item=FeatureTower(log.items, dim=4),
        tasks=[Retrieval("buy", positives="event == 'buy'"), Event("bought")],
    )
    assert fit(model, mix, epochs=1, batch_size=64, progress=False)["loss/bought"].is_finite().all()


def _rows(log: EventLog) -> list[dict[str, Any]]:
    columns = ("user_id", "time", "recent")
    return [
        dict(zip(columns, row, strict=True)) for row in zip(*(log.columns[c].tolist() for c in columns), strict=True)
    ]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"event": "bye"},
            "event names 'bye', which is not an event type in the log; did you mean 'buy'.* Types: buy, c",
        ),
        ({"candidates": ["vew"]}, "candidates names 'vew', which is not an event type in the log; did you mean 'view'"),
        ({"candidates": ["view", "buy"]}, "candidates names 'buy', which is masked; a candidate has not been bought"),
        ({"candidates": []}, r"candidates=\[\] names no event type; name at least one, or leave it out"),
        ({"label": "event"}, "label='event': the log already has a column of that name; give the label another one"),
        ({"label": "pair_view"}, "the log already has a column 'pair_view'"),
        ({"rounds": 0}, "rounds=0; mask a purchase of each user at least once"),
    ],
)
def test_mistakes(given: dict[str, Any], words: str) -> None:
    arguments = {"event": "buy", "label": "bought", **given}
    with pytest.raises(ConfigError, match=words):
        masked_pairs(read(events(), timed=False), arguments.pop("event"), **arguments)


def test_logs_that_give_no_pairs() -> None:
    log = read(events(), timed=False)
    with pytest.raises(ConfigError, match=r"name the column of event types, Schema\(event=...\)"):
        pairs_of(EventLog.read(events(), Schema()))
    with pytest.raises(ConfigError, match="there is no event type but 'buy'; candidates come from events of another"):
        pairs_of(read(events().filter(pl.col("event") == "buy"), timed=False))
    with pytest.raises(DataError, match="no known user has an event 'buy' with a known item, so there is none to mask"):
        pairs_of(log.encode(events().filter(pl.col("event") != "buy")))
    apart = [(1, "a", "view"), (2, "a", "buy")]
    frame = pl.DataFrame(apart, ["user_id", "item_id", "event"], orient="row")
    with pytest.raises(DataError, match=r"no user has a candidate for the masked 'buy': .* candidates=\[...\]; now vi"):
        pairs_of(EventLog.read(frame, PLAIN))
    late = [(1, "a", 5, "buy"), (1, "a", 5, "view")]
    frame = pl.DataFrame(late, ["user_id", "item_id", "time", "event"], orient="row")
    with pytest.raises(DataError, match="an item that was touched, and not bought, before it"):
        pairs_of(EventLog.read(frame, TIMED))
