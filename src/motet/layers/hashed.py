"""HashedEmbedding: one table of any size for the values of several features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from motet.errors import ConfigError, did_you_mean
from motet.layers.embedding import uniform

Probes = Literal["concat", "sum"]

# The constants of SplitMix64, as the signed numbers that torch multiplies modulo 2^64.
STEP = 0x9E3779B97F4A7C15 - (1 << 64)
FIRST = 0xBF58476D1CE4E5B9 - (1 << 64)
SECOND = 0x94D049BB133111EB - (1 << 64)


class HashedEmbedding(nn.Module):
    r"""Embeds every value of every feature by a few rows of one shared table, chosen by hash functions.

    $$ e_f(x) = \big[ W_{h_{f,1}(x)}, \dots, W_{h_{f,k}(x)} \big] $$

    Two values that share one row seldom share the others, and each feature has its own hash functions, so the next
    layer can tell values apart. The table size is a memory budget, independent of the vocabulary sizes. With several
    tables, the probes of a value cycle through them.

    Args:
        rows: Number of rows of the table; or, for several tables, one number per table.
        dim: Width of the vectors.
        features: Number of features that share the tables.
        probes: Number of rows that each value reads; or one number per feature, higher for larger vocabularies. Two
            distinguish most values.
        combine: `"concat"` concatenates parts of width `dim / max(probes)`, padded with zeros for features with fewer
            probes; `"sum"` adds rows of width `dim`.
        init_scale: Largest absolute initial value, drawn uniformly.
        sparse: Whether the gradient holds only the rows that were used.

    Raises:
        ConfigError: If a number is below 1, `combine` is unknown, or `dim` is not a multiple of the probes.

    Source:
        Coleman et al., "Unified Embedding: Battle-Tested Feature Representations for Web-Scale ML Systems", NeurIPS
        2023; Steele et al., "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014, for the hash.

    Example:
        >>> table = HashedEmbedding(1000, 8, features=2)
        >>> table(torch.tensor([5, 123_456_789]), feature=1).shape
        torch.Size([2, 8])
    """

    def __init__(
        self,
        rows: int | Sequence[int],
        dim: int,
        *,
        features: int = 1,
        probes: int | Sequence[int] = 2,
        combine: Probes = "concat",
        init_scale: float = 0.05,
        sparse: bool = False,
    ) -> None:
        super().__init__()
        each = (probes,) * features if isinstance(probes, int) else tuple(probes)
        sizes = (rows,) if isinstance(rows, int) else tuple(rows)
        _check(sizes, dim, features, each, combine)
        self.rows = sizes
        self.dim = dim
        self.features = features
        self.probes = each
        self.combine = combine
        self.sparse = sparse
        width = dim // max(each) if combine == "concat" else dim
        self.weight = uniform(sum(sizes), width, init_scale=init_scale)

    def forward(self, codes: Int[Tensor, "*batch"], feature: int = 0) -> Float[Tensor, "*batch dim"]:
        """Look up values.

        Args:
            codes: Values of one feature, as whole numbers of any size.
            feature: The feature, from 0.

        Returns:
            One vector per value.
        """
        first, probes = sum(self.probes[:feature]), self.probes[feature]
        tables = [probe % len(self.rows) for probe in range(first, first + probes)]
        sizes = torch.tensor([self.rows[table] for table in tables], device=codes.device)
        before = torch.tensor([sum(self.rows[:table]) for table in tables], device=codes.device)
        places = hashed_rows(codes, sizes, first=first, probes=probes) + before
        vectors = F.embedding(places, self.weight, sparse=self.sparse)
        if self.combine == "sum":
            return vectors.sum(-2)
        return F.pad(vectors.flatten(-2), (0, self.dim - probes * self.weight.shape[1]))


def hashed_rows(
    codes: Int[Tensor, "*batch"], rows: int | Int[Tensor, " probes"], *, first: int, probes: int
) -> Int[Tensor, "*batch probes"]:
    """Hash whole numbers to rows of a table, identically in every process and on every machine and device.

    Args:
        codes: Values.
        rows: Number of rows of the table, or of the table that each hash function reads.
        first: Number of the first hash function.
        probes: Number of consecutive hash functions.

    Returns:
        One row per hash function.

    Example:
        >>> hashed_rows(torch.tensor([0, 1]), 100, first=0, probes=2)
        tensor([[27,  0],
                [62, 95]])
    """
    numbers = torch.arange(first + 1, first + probes + 1, device=codes.device)
    return (_mixed(_mixed(codes.long())[..., None] + numbers * STEP) & (2**63 - 1)) % rows


def _mixed(x: Tensor) -> Tensor:
    """The finaliser of SplitMix64: each input bit flips half of the output bits on average."""
    x = (x ^ _shifted(x, 30)) * FIRST
    x = (x ^ _shifted(x, 27)) * SECOND
    return x ^ _shifted(x, 31)


def _shifted(x: Tensor, bits: int) -> Tensor:
    """Logical right shift; torch's own is arithmetic."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _check(rows: Sequence[int], dim: int, features: int, probes: Sequence[int], combine: str) -> None:
    if combine not in get_args(Probes):
        raise ConfigError(
            f"combine={combine!r} is not one of {', '.join(map(repr, get_args(Probes)))}"
            f"{did_you_mean(combine, get_args(Probes))}"
        )
    least = min(probes, default=1)
    for name, number in (("rows", min(rows, default=0)), ("dim", dim), ("features", features), ("probes", least)):
        if number < 1:
            raise ConfigError(f"{name}={number}; a hashed table has at least one")
    if len(probes) != features:
        raise ConfigError(f"{len(probes)} numbers of probes for {features} features; give one number, or one a feature")
    most = max(probes)
    if combine == "concat" and dim % most:
        raise ConfigError(f"{most} probes cannot share a width of {dim}; give a dim that is a multiple of {most}")
