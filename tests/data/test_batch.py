from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from motet.data.batch import Batch, Columns, Loader, distinct
from motet.errors import ConfigError

ROWS = st.lists(st.integers(0, 5), min_size=1, max_size=30)


class Log:
    """Ten events whose item is their position."""

    def batch(self) -> Batch:
        return Batch({"user_id": torch.arange(10) // 3, "item_id": torch.arange(10), "x": torch.arange(10) / 2})


def items(batches: list[Batch]) -> list[int]:
    return [item for batch in batches for item in batch.items.tolist()]


@given(ROWS)
def test_distinct_puts_the_batch_together_again(values: list[int]) -> None:
    rows = torch.tensor(values)
    found = distinct(rows)
    assert found.rows.tolist() == sorted(set(values))
    assert torch.equal(found.rows[found.index], rows)
    assert torch.equal(rows[found.first], found.rows)
    assert found.first.tolist() == [values.index(value) for value in found.rows.tolist()]
    assert found.counts.tolist() == [values.count(value) for value in found.rows.tolist()]


def test_distinct_sides_are_found_once() -> None:
    batch = Log().batch()
    assert batch.distinct_users is batch.distinct_users
    assert batch.distinct_users.counts.tolist() == [3, 3, 3, 1]
    assert batch.distinct_items.counts.tolist() == [1] * 10


def test_separate_rows_count_as_distinct() -> None:
    batch = Log().batch().separate("user_id")
    assert torch.equal(batch.distinct_users.rows, batch.users)
    assert batch.distinct_users.first.tolist() == batch.distinct_users.index.tolist() == list(range(10))
    assert batch.take(slice(0, 2)).apart == {"user_id"}


def test_columns_by_name_and_by_side() -> None:
    batch = Batch({"who": torch.tensor([1]), "what": torch.tensor([2])}, "who", "what")
    assert batch.users.tolist() == batch["who"].tolist() == [1]
    assert batch.items.tolist() == [2]
    assert "what" in batch
    assert "item_id" not in batch
    assert len(batch) == 1
    assert len(Batch({})) == 0


def test_take_keeps_the_keys_and_slices_are_views() -> None:
    batch = Batch({"who": torch.arange(5), "what": torch.arange(5)}, "who", "what")
    assert batch.take(torch.tensor([4, 0])).users.tolist() == [4, 0]
    assert batch.take(torch.arange(5) > 3).items.tolist() == [4]
    assert batch.take(slice(1, 3)).users.data_ptr() == batch.users[1:].data_ptr()


def test_to_leaves_what_is_there() -> None:
    batch = Log().batch()
    assert batch.to("cpu").users is batch.users


def test_entities_hold_one_side() -> None:
    batch = Log().batch().entities("user_id", torch.tensor([3, 1]))
    assert batch.users.tolist() == [3, 1]
    assert "item_id" not in batch


def test_loader_yields_every_row_once_in_an_order_of_its_own() -> None:
    loader = Loader(Log(), batch_size=4, seed=7)
    one, again, other = (items(list(loader.epoch(number))) for number in (0, 0, 1))
    assert one == again
    assert one != other
    assert sorted(one) == sorted(other) == list(range(10))
    assert one != items(list(Loader(Log(), batch_size=4, seed=8).epoch(0)))
    assert [len(batch) for batch in loader.epoch(0)] == [4, 4, 2]
    assert len(loader) == 3


def test_loader_keeps_rows_together() -> None:
    for batch in Loader(Log(), batch_size=3).epoch(0):
        assert torch.equal(batch.users, batch.items // 3)
        assert torch.equal(batch["x"], batch.items / 2)


def test_loader_without_shuffling_follows_the_log() -> None:
    assert items(list(Loader(Log(), batch_size=3, shuffle=False).epoch(5))) == list(range(10))


def test_loader_refuses_batches_of_nothing() -> None:
    with pytest.raises(ConfigError, match="batch_size=0; a batch holds at least one row"):
        Loader(Log(), batch_size=0)


def test_a_log_is_known_by_its_batch() -> None:
    assert isinstance(Log(), Columns)


def test_distinct_takes_raw_ids() -> None:
    """Which may be hashes of 64 bits: their product with the number of rows overflows."""
    found = distinct(torch.tensor([2**62, -(2**62), 2**62, 2**62 + 1, 2**62]))
    assert found.rows.tolist() == [-(2**62), 2**62, 2**62 + 1]
    assert found.index.tolist() == [1, 0, 1, 2, 1]
    assert found.first.tolist() == [1, 0, 3]
