"""Interaction: the fields of both sides, and the products of every pair of fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from motet.errors import ConfigError
from motet.layers.interactions import dot_interaction, factorisation_machine
from motet.layers.mlp import MLP
from motet.trunks.base import Trunk, check_counts, check_widths


class Interaction(Trunk):
    r"""Splits the pair of vectors into fields of equal width and appends the products of every two fields.

    $$ h = \mathrm{MLP}([v_1; \dots; v_n; (\langle v_i, v_j \rangle)_{j < i}]) $$

    Over two `FieldTower`s, which concatenate the vectors of their features, this is the deep learning recommendation
    model (DLRM) on all features of user and item. DLRM has a separate network for numeric features; here each of them
    is a field.

    Args:
        field_dim: Width of a field; the same as the towers' `field_dim`.
        products: `"each"` keeps the dot product of every two fields; `"sum"` keeps only their sum, in linear time: the
            second-order term of a factorisation machine.
        hidden: Widths of the layers over fields and products; the last is the width of the representations.
        dropout: The dropout rate of every layer.

    Raises:
        ConfigError: If an argument is out of range, or the width of the pair is not a multiple of `field_dim`.

    Source:
        Naumov et al., "Deep Learning Recommendation Model for Personalization and Recommendation Systems", 2019; Guo
        et al., "DeepFM", IJCAI 2017, for the sum.

    Example:
        >>> trunk = Interaction(4, hidden=(8,))
        >>> trunk.build(20, ["click"])
        >>> trunk(torch.zeros(5, 20))["click"].shape
        torch.Size([5, 8])
    """

    def __init__(
        self,
        field_dim: int = 16,
        *,
        products: Literal["each", "sum"] = "each",
        hidden: Sequence[int] = (128, 64),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_counts(field_dim=field_dim)
        if products not in ("each", "sum"):
            raise ConfigError(f"products={products!r}; it must be 'each' or 'sum'")
        self.field_dim = field_dim
        self.products = products
        self.hidden = check_widths(hidden, dropout)
        self.dropout = dropout
        self.out_dim = self.hidden[-1]

    def build(self, in_dim: int, tasks: Sequence[str]) -> None:
        """Create the layers over fields and products; see `Trunk.build`."""
        fields, left = divmod(in_dim, self.field_dim)
        if left:
            raise ConfigError(
                f"user and item vectors have a total width of {in_dim}, which is not a multiple of "
                f"field_dim={self.field_dim}; give both towers (FieldTower) and the trunk the same field_dim"
            )
        self.tasks = tuple(tasks)
        products = fields * (fields - 1) // 2 if self.products == "each" else 1
        self.mlp = MLP(in_dim + products, hidden=self.hidden, dropout=self.dropout)

    def forward(self, pairs: Float[Tensor, "batch in_dim"]) -> dict[str, Float[Tensor, "batch out_dim"]]:
        """The same representation for every task; see `Trunk.forward`."""
        fields = pairs.unflatten(1, (-1, self.field_dim))
        products = dot_interaction(fields) if self.products == "each" else factorisation_machine(fields)[:, None]
        return dict.fromkeys(self.tasks, self.mlp(torch.cat([pairs, products], 1)))
