"""sample_lists: what is drawn, and that training keeps it together."""

from __future__ import annotations

import polars as pl
import pytest
import torch

from motet import FeatureTower, Model, fit
from motet.data.batch import Loader
from motet.data.lists import sample_lists
from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.errors import ConfigError, DataError
from motet.tasks import Listwise


@pytest.fixture
def log() -> EventLog:
    """10 users with 1 to 10 rows, shuffled."""
    generator = torch.Generator().manual_seed(0)
    users = torch.arange(1, 11).repeat_interleave(torch.arange(1, 11))
    users = users[torch.randperm(len(users), generator=generator)]
    stars = torch.randint(1, 6, (len(users),), generator=generator)
    events = {"user_id": users.tolist(), "item_id": list(range(len(users))), "stars": stars.float().tolist()}
    return EventLog.read(pl.DataFrame(events), Schema(signals=("stars",)))


def test_every_list_is_of_one_user_without_a_row_twice(log: EventLog) -> None:
    lists = sample_lists(log, lists_per_user=3, items_per_list=4, seed=5)
    assert len(lists) == 7 * 3 * 4
    frame = lists.frame()
    assert frame["list"].to_list() == [row // 4 for row in range(len(frame))]
    each = frame.group_by("list").agg(pl.col("user_id").n_unique(), pl.col("item_id").n_unique())
    assert each["user_id"].to_list() == [1] * 21
    assert each["item_id"].to_list() == [4] * 21
    assert sorted(frame["user_id"].unique()) == [4, 5, 6, 7, 8, 9, 10]
    joined = frame.join(log.frame(), on=["user_id", "item_id", "stars"])
    assert len(joined) == len(frame)
    assert lists.users is log.users


def test_a_seed_gives_the_same_lists_and_another_gives_others(log: EventLog) -> None:
    one, again, other = (
        sample_lists(log, lists_per_user=2, items_per_list=3, seed=seed).batch().items for seed in (1, 1, 2)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_all_rows_of_a_user_are_drawn_alike(log: EventLog) -> None:
    lists = sample_lists(log, lists_per_user=900, items_per_list=2).frame()
    counts = lists.filter(pl.col("user_id") == 4)["item_id"].value_counts()["count"].to_list()
    assert counts == pytest.approx([450] * 4, abs=60)


@pytest.mark.parametrize("batch_size", [4, 11, 1000])
def test_shuffling_moves_lists_and_cuts_none(log: EventLog, batch_size: int) -> None:
    lists = sample_lists(log, lists_per_user=3, items_per_list=4)
    loader = Loader(lists, batch_size=batch_size, together=lists.together)
    batches = list(loader.epoch(0))
    assert len(batches) == len(loader)
    order = torch.cat([batch["list"] for batch in batches])
    assert all(len(batch["list"].unique()) * 4 == len(batch) for batch in batches)
    assert sorted(order[::4].tolist()) == list(range(21))
    assert order[::4].tolist() != list(range(21))
    assert torch.equal(order, order[::4].repeat_interleave(4))


def test_some_of_the_rows_are_no_longer_together(log: EventLog) -> None:
    lists = sample_lists(log, lists_per_user=1, items_per_list=2)
    assert lists.together == 2
    assert lists.take(slice(0, 3)).together == 1
    assert lists.encode(log.frame()).together == 1


def test_a_task_learns_from_lists(log: EventLog) -> None:
    lists = sample_lists(log, lists_per_user=5, items_per_list=4)
    torch.manual_seed(0)
    model = Model(
        user=FeatureTower(log.users, dim=8), item=FeatureTower(log.items, dim=8), tasks=[Listwise("stars", by="list")]
    )
    history = fit(model, lists, epochs=20, batch_size=15, progress=False)
    assert history["loss/stars"][-1] < 0.5 < history["loss/stars"][0]


def test_refusals(log: EventLog) -> None:
    with pytest.raises(ConfigError, match="lists_per_user=0; a user gets at least one list"):
        sample_lists(log, lists_per_user=0, items_per_list=2)
    with pytest.raises(ConfigError, match="items_per_list=1; a list needs two rows to have an order"):
        sample_lists(log, lists_per_user=1, items_per_list=1)
    with pytest.raises(ConfigError, match="already has a column 'stars'; give the list numbers another name"):
        sample_lists(log, lists_per_user=1, items_per_list=2, name="stars")
    with pytest.raises(DataError, match="no user has 11 rows, the most are 10; ask for shorter lists"):
        sample_lists(log, lists_per_user=1, items_per_list=11)
    with pytest.raises(ConfigError, match="batch_size=3; 4 rows stay together, so a batch holds at least as many"):
        Loader(log, batch_size=3, together=4)
    with pytest.raises(ConfigError, match="55 rows are not a multiple of the 4 that stay together"):
        Loader(log, together=4)


def test_unknown_users_share_no_list(log: EventLog) -> None:
    rows = log.frame().with_columns(pl.when(pl.col("user_id") > 9).then("user_id").otherwise(-pl.col("user_id")))
    drawn = sample_lists(log.encode(rows), lists_per_user=2, items_per_list=3)
    assert set(drawn.columns["user_id"].tolist()) == {10}
