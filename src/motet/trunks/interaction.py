"""Interaction: the fields of both sides, and the products of every two."""

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
    r"""Splits the pair into fields of one width, multiplies every two, and puts the products beside the fields.

    $$ h = \mathrm{MLP}([v_1; \dots; v_n; (\langle v_i, v_j \rangle)_{j < i}]) $$

    Over two `FieldTower`s, whose vectors are the features' side by side, this is the deep learning recommendation
    model (DLRM) of all features of user and item. Where that puts its numbers through a network of their own, each
    number is a field here.

    Args:
        field_dim: Width of a field; the towers' `field_dim`.
        products: `"each"` keeps the dot product of every two fields, `"sum"` their sum alone, in linear time: the
            second-order term of a factorisation machine.
        hidden: Widths of the layers over fields and products; the last is what heads read.
        dropout: Share of every layer's values set to 0 in training.

    Raises:
        ConfigError: If an argument is out of range, or the width of the pair is no multiple of a field's.

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
        """Make the layers over fields and products; see `Trunk.build`."""
        fields, left = divmod(in_dim, self.field_dim)
        if left:
            raise ConfigError(
                f"user and item vectors together are {in_dim} wide, no multiple of field_dim={self.field_dim}; give "
                "both towers (FieldTower) and the trunk the same field_dim"
            )
        self.tasks = tuple(tasks)
        products = fields * (fields - 1) // 2 if self.products == "each" else 1
        self.mlp = MLP(in_dim + products, hidden=self.hidden, dropout=self.dropout)

    def forward(self, pairs: Float[Tensor, "batch in_dim"]) -> dict[str, Float[Tensor, "batch out_dim"]]:
        """The same for each task; see `Trunk.forward`."""
        fields = pairs.unflatten(1, (-1, self.field_dim))
        products = dot_interaction(fields) if self.products == "each" else factorisation_machine(fields)[:, None]
        return dict.fromkeys(self.tasks, self.mlp(torch.cat([pairs, products], 1)))
