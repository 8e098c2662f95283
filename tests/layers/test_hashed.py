"""One table for many values: hashed as SplitMix64 says, spread evenly, told apart."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from motet.errors import ConfigError
from motet.layers.hashed import HashedEmbedding, hashed_rows

WORD = (1 << 64) - 1


def mixed(x: int) -> int:
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & WORD
    return x ^ (x >> 31)


@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 50), st.integers(1, 10**9))
def test_rows_are_those_of_splitmix(code: int, first: int, rows: int) -> None:
    found = hashed_rows(torch.tensor([code]), rows, first=first, probes=3)[0].tolist()
    whole = [mixed((mixed(code & WORD) + (first + n) * 0x9E3779B97F4A7C15) & WORD) for n in (1, 2, 3)]
    assert found == [(x & (2**63 - 1)) % rows for x in whole]


def test_values_are_spread_evenly_and_by_each_function_anew() -> None:
    rows = hashed_rows(torch.arange(100_000), 100, first=0, probes=4)
    for counts in (torch.bincount(column, minlength=100) for column in rows.T):
        assert 800 < counts.min() <= counts.max() < 1200  # six deviations of 31 around 1,000
    pairs = (rows[:, 0] * 100 + rows[:, 1]).unique()
    assert len(pairs) > 9_990  # of 10,000: independent of each other


def test_probes_tell_apart_what_one_row_cannot() -> None:
    codes = torch.arange(2000)
    one, two = (HashedEmbedding(1000, 8, probes=probes)(codes).unique(dim=0) for probes in (1, 2))
    assert len(one) < 900
    assert len(two) > 1990


@pytest.mark.parametrize("combine", ["concat", "sum"])
def test_lookups_are_combined(combine: str) -> None:
    table = HashedEmbedding(50, 6, features=3, combine=combine)  # type: ignore[arg-type]
    codes = torch.tensor([[3, 10**12], [-5, 3]])
    first, second = table.weight[hashed_rows(codes, 50, first=4, probes=2)].unbind(-2)
    expected = torch.cat([first, second], -1) if combine == "concat" else first + second
    assert torch.equal(table(codes, feature=2), expected)
    assert table(codes, feature=2).shape == (2, 2, 6)
    assert torch.equal(table(codes, feature=1)[0, 0], table(codes, feature=1)[1, 1])
    assert not torch.equal(table(codes, feature=1), table(codes, feature=2))


def test_reads_go_round_the_tables() -> None:
    table = HashedEmbedding([50, 20], 6, features=2, probes=3)
    codes = torch.arange(40)
    for feature in range(2):
        parts = table(codes, feature).unflatten(1, (3, 2))
        for probe in range(3):
            own = table.weight.split([50, 20])[(3 * feature + probe) % 2]
            assert all((own == part).all(1).any() for part in parts[:, probe])
    assert table.weight.shape == (70, 2)


def test_features_of_fewer_probes_are_narrower() -> None:
    table = HashedEmbedding(50, 6, features=3, probes=[1, 3, 2])
    codes = torch.arange(40)
    widths = [(table(codes, feature) != 0).any(0).sum().item() for feature in range(3)]
    assert widths == [2, 6, 4]
    assert not torch.equal(table(codes, 0)[:, :2], table(codes, 2)[:, :2])
    assert HashedEmbedding(50, 6, features=2, probes=[1, 3], combine="sum")(codes, 0).shape == (40, 6)


def test_memory_is_the_tables_alone() -> None:
    assert sum(each.numel() for each in HashedEmbedding(1000, 32, features=40).parameters()) == 16_000


def test_sparse_gradient() -> None:
    table = HashedEmbedding(1000, 8, sparse=True)
    table(torch.tensor([1, 2])).sum().backward()
    assert table.weight.grad is not None
    assert table.weight.grad.is_sparse


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": 0}, "rows=0; a hashed table has at least one"),
        ({"probes": 3}, "3 probes cannot share a width of 8; give a dim that is a multiple of 3"),
        ({"rows": [5, 0]}, "rows=0; a hashed table has at least one"),
        ({"rows": []}, "rows=0; a hashed table has at least one"),
        ({"probes": [2, 0], "features": 2}, "probes=0; a hashed table has at least one"),
        ({"probes": [2, 2], "features": 3}, "2 numbers of probes for 3 features; give one number, or one a feature"),
        ({"combine": "adds"}, "combine='adds' is not one of 'concat', 'sum'"),
    ],
)
def test_mistakes(unchecked_types: None, arguments: dict[str, object], message: str) -> None:  # noqa: ARG001
    with pytest.raises(ConfigError, match=message):
        HashedEmbedding(**{"rows": 10, "dim": 8, **arguments})  # type: ignore[arg-type]
