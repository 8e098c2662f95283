from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from motet.data.log import EventLog
from motet.data.shop import LISTS, START, TRUTHS, Shop
from motet.data.simulate import shop
from motet.errors import ConfigError, DataError

CHAIN = ("clicked", "carted", "bought", "returned")


@pytest.fixture(scope="module")
def large() -> Shop:
    return shop(2_000, 500, impressions=400_000, seed=1, click_rate=0.2, cart_rate=0.08, purchase_rate=0.03)


@pytest.fixture(scope="module")
def small() -> Shop:
    """Two chunks and a part of a third, the last list cut short."""
    return shop(300, 100, positions=2, impressions=2 * 2 * LISTS + 1_001, seed=2, purchase_rate=0.05, click_rate=0.3)


@pytest.fixture(scope="module")
def truth(large: Shop) -> pl.DataFrame:
    return large.truth


@pytest.fixture(scope="module")
def rows(large: Shop) -> pl.DataFrame:
    return large.rows()


def gap(outcomes: pl.Series, probs: pl.Series, bins: int = 20) -> float:
    """The largest distance between frequency and mean probability of bins, in standard errors."""
    frame = pl.DataFrame({"y": outcomes.cast(pl.Float64), "p": probs.cast(pl.Float64)}).sort("p").with_row_index("at")
    found = frame.group_by(pl.col("at") * bins // len(frame)).agg(
        gap=(pl.col("y").mean() - pl.col("p").mean()).abs(),
        error=((pl.col("p") * (1 - pl.col("p"))).mean() / pl.len()).sqrt(),
    )
    return (found["gap"] / found["error"]).max()  # type: ignore[return-value]


@pytest.mark.parametrize("signal", CHAIN)
def test_outcomes_are_as_frequent_as_their_probability(rows: pl.DataFrame, truth: pl.DataFrame, signal: str) -> None:
    assert gap(rows[signal], truth[signal]) < 4


@pytest.mark.parametrize(("before", "signal"), [("clicked", "carted"), ("carted", "bought"), ("bought", "returned")])
def test_stages_are_as_frequent_as_given_the_one_before(
    rows: pl.DataFrame, truth: pl.DataFrame, before: str, signal: str
) -> None:
    reached = rows[before] == 1
    assert gap(rows[signal].filter(reached), truth[f"{signal}_if_{before}"].filter(reached)) < 4
    product = truth[before].cast(pl.Float64) * truth[f"{signal}_if_{before}"]
    assert np.allclose(truth[signal], product, rtol=1e-5)


def test_ratings_are_what_is_expected_of_them(rows: pl.DataFrame, truth: pl.DataFrame) -> None:
    rated = rows["rating"].is_not_null()
    stars, expected = rows["rating"].filter(rated), truth["rating"].filter(rated)
    assert set(stars) == {1.0, 2.0, 3.0, 4.0, 5.0}
    assert truth["rating"].is_between(1, 5).all()
    for group in (expected < 4, (expected >= 4) & (expected < 4.6), expected >= 4.6):
        error = stars.filter(group).std() / np.sqrt(group.sum())  # type: ignore[operator]
        assert stars.filter(group).mean() == pytest.approx(expected.filter(group).mean(), abs=4 * error)


def test_rates_are_near_those_asked_for(rows: pl.DataFrame, truth: pl.DataFrame) -> None:
    for signal, rate in {"clicked": 0.2, "carted": 0.08, "bought": 0.03, "returned": 0.003}.items():
        assert rows[signal].mean() == pytest.approx(rate, rel=0.1), signal
        assert truth[signal].mean() == pytest.approx(rate, rel=0.1), signal
    assert rows["rating"].count() / rows["bought"].sum() == pytest.approx(0.3, abs=0.02)


def test_stages_are_nested(rows: pl.DataFrame) -> None:
    for before, after in (("clicked", "carted"), ("carted", "bought"), ("bought", "returned")):
        assert (rows[after] <= rows[before]).all()
    assert (rows["bought"].filter(rows["rating"].is_not_null()) == 1).all()


def test_position_and_popularity_are_visible(rows: pl.DataFrame) -> None:
    by_place = rows.group_by("position").agg(pl.col("clicked").mean()).sort("position")["clicked"]
    assert len(by_place) == 10
    assert by_place[0] > 1.2 * by_place[2] > 1.2 * 1.2 * by_place[9]
    counts = rows["item_id"].value_counts().sort("count", descending=True)["count"]
    assert counts.head(50).sum() > 0.4 * len(rows)


def test_time_goes_forward_and_items_arrive_before_they_are_shown(large: Shop, rows: pl.DataFrame) -> None:
    assert rows["time"].is_sorted()
    assert rows["time"][0] >= START
    assert rows["time"][-1] < START + 30 * 86_400
    joined = rows.join(large.items, on="item_id")
    assert (joined["arrived"] <= joined["time"]).all()
    assert large.items["arrived"].is_sorted()


def test_log_and_truth_have_the_same_rows(small: Shop) -> None:
    log = small.log
    assert len(log) == len(small) == len(small.truth) == 33_769
    assert small.truth.columns == list(TRUTHS)
    first = small.rows(0, 5)
    assert torch.equal(log.columns["user_id"][:5], torch.from_numpy(first["user_id"].to_numpy(writable=True)))
    positions = log.columns["position"]
    for stage in TRUTHS:
        top = positions == 1
        known = small.probability(stage, log.columns["user_id"][top], log.columns["item_id"][top])
        assert torch.allclose(known, small.truth[stage].to_torch()[top])


def test_features_say_something_of_tastes(large: Shop) -> None:
    assert large.log.users.features.keys() == {"segment"}
    assert large.log.items.features.keys() == {"category", "price"}
    users, items = torch.arange(1, 1_001).repeat(500), torch.arange(1, 501).repeat_interleave(1_000)
    frame = pl.DataFrame({"user_id": users.numpy(), "item_id": items.numpy()}).with_columns(
        p=large.probability("clicked", users, items).log().numpy()
    )
    groups = frame.join(large.users, on="user_id").join(large.items, on="item_id").group_by("segment", "category")
    assert groups.agg(pl.col("p").mean())["p"].std() > 0.2  # type: ignore[operator]


def test_a_dear_item_is_bought_less(large: Shop) -> None:
    price = large.items["price"].to_numpy()
    bought = [large.probability("bought_if_carted", [user] * 500, range(1, 501)).numpy() for user in range(1, 51)]  # type: ignore[arg-type]
    assert np.corrcoef(np.mean(bought, axis=0), np.log(price))[0, 1] < -0.3


@pytest.mark.parametrize("block", [1, 999, LISTS, 3 * LISTS + 1])
def test_blocks_hold_the_rows_of_the_whole(small: Shop, block: int) -> None:
    start = 2 * LISTS - 1
    assert small.rows(start, start + block).equals(small.rows().slice(start, block))
    assert small.truths(start, start + block).equals(small.truth.slice(start, block))
    assert not len(small.rows(7, 7))
    assert small.rows(len(small) - 3).equals(small.rows().tail(3))


def test_parquet_holds_the_same_rows(small: Shop, tmp_path: Path) -> None:
    folder = small.write_parquet(tmp_path / "shop", rows=10_000, truth=True)
    assert len(list((folder / "log").iterdir())) == 4
    log = EventLog.read(folder / "log", small.schema, users=folder / "users.parquet", items=folder / "items.parquet")
    assert log.frame().equals(small.log.frame())
    assert pl.read_parquet(folder / "truth" / "*.parquet").equals(small.truth)


def test_parquet_does_not_mix_with_another_shop(small: Shop, tmp_path: Path) -> None:
    small.write_parquet(tmp_path)
    with pytest.raises(DataError, match="log exists already; remove it, or write to another folder"):
        small.write_parquet(tmp_path)
    with pytest.raises(ConfigError, match="rows=0; a file holds at least one row"):
        small.write_parquet(tmp_path / "other", rows=0)


def test_long_log_tells_the_same_story(small: Shop) -> None:
    log = small.events()
    frame, wide = log.frame(), small.rows()
    assert frame["time"].is_sorted()
    counts = dict(frame["event"].value_counts().iter_rows())
    assert counts == {
        "click": wide["clicked"].sum(),
        "cart": wide["carted"].sum(),
        "purchase": wide["bought"].sum(),
        "return": wide["returned"].sum(),
        "review": wide["rating"].count(),
    }
    reviews = frame.filter(pl.col("event") == "review")
    assert sorted(reviews["value"]) == sorted(wide["rating"].drop_nulls())
    assert frame.filter(pl.col("event") != "review")["value"].null_count() == len(frame) - len(reviews)
    every = small.events(impressions=True).frame()
    assert (every["event"] == "impression").sum() == len(small)
    assert every.filter(pl.col("event") != "impression").equals(frame)


def test_events_follow_what_they_follow_from(small: Shop) -> None:
    frame = small.events(impressions=True).frame()
    follows = {"click": "impression", "cart": "click", "purchase": "cart", "return": "purchase", "review": "purchase"}
    for event, before in follows.items():
        firsts = [
            frame.filter(pl.col("event") == name).group_by("user_id", "item_id").agg(pl.col("time").min())
            for name in (event, before)
        ]
        both = firsts[0].join(firsts[1], on=("user_id", "item_id"), how="left", suffix="_before")
        assert (both["time_before"] < both["time"]).all(), event


def test_unknown_stage_and_places(small: Shop) -> None:
    with pytest.raises(ConfigError, match="no stage 'brought'; did you mean 'bought'"):
        small.probability("brought", [1], [1])
    with pytest.raises(ConfigError, match="position=0; positions in a list count from 1"):
        small.probability("bought", [1], [1], position=0)
    with pytest.raises(DataError, match="no user 301 in the shop; ids: 1 to 300"):
        small.probability("bought", [1, 301], [1, 1])
    with pytest.raises(DataError, match="no item 0 in the shop; ids: 1 to 100"):
        small.probability("bought", [1], [0])
    with pytest.raises(DataError, match="2 users and 1 items do not pair up"):
        small.probability("bought", [1, 2], [1])


def test_it_says_what_it_is(small: Shop) -> None:
    assert repr(small) == "Shop(33,769 impressions, 300 users, 100 items, 30 days)"


@pytest.mark.parametrize("ids", [["a"], np.array([1.5]), np.array([[1]]), np.array(1)])
def test_probability_refuses_what_is_no_list_of_ids(small: Shop, ids: Any) -> None:
    with pytest.raises(DataError, match="the ids of users come as a list of whole numbers from 1 to 300, not as"):
        small.probability("bought", ids, [1])


def test_nothing_is_written_where_a_part_exists(small: Shop, tmp_path: Path) -> None:
    (tmp_path / "truth").mkdir()
    with pytest.raises(DataError, match="truth exists already"):
        small.write_parquet(tmp_path, truth=True)
    assert not (tmp_path / "log").exists()
