"""Sequence encoders: causal encodings of sequences of vectors, oldest first."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from motet.errors import ConfigError, did_you_mean
from motet.layers.dropout import check_dropout
from motet.layers.embedding import uniform
from motet.layers.mlp import linear

Encoding = Literal["gru", "attention"]


class SequenceEncoder(nn.Module, ABC):
    """Encodes sequences whose last position is the newest; leading positions may be padding."""

    @abstractmethod
    def forward(
        self, vectors: Float[Tensor, "batch length dim"], known: Bool[Tensor, "batch length"]
    ) -> Float[Tensor, "batch length dim"]:
        """Encode every position from itself and the positions before it.

        Args:
            vectors: One vector per position.
            known: False for padding, which must be in front.

        Returns:
            One vector per position; those of padding are meaningless.
        """


class RecurrentEncoder(SequenceEncoder):
    r"""A gated recurrent unit over the sequence.

    $$ h_t = (1 - z_t) \, n_t + z_t \, h_{t-1} $$

    Args:
        dim: Width of the vectors.
        dropout: Share of the input's values set to 0 during training.

    Source:
        Hidasi et al., "Session-based Recommendations with Recurrent Neural Networks", ICLR 2016.

    Example:
        >>> encoder = RecurrentEncoder(8)
        >>> encoder(torch.ones(3, 5, 8), torch.ones(3, 5, dtype=torch.bool)).shape
        torch.Size([3, 5, 8])
    """

    def __init__(self, dim: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.cell = nn.GRU(dim, dim, batch_first=True)

    def forward(
        self, vectors: Float[Tensor, "batch length dim"], known: Bool[Tensor, "batch length"]
    ) -> Float[Tensor, "batch length dim"]:
        """Run the recurrence from the first position that is not padding.

        Args:
            vectors: One vector per position.
            known: False for padding in front.

        Returns:
            The state after each position.
        """
        length = known.shape[1]
        # The recurrence must begin at the first known position: sequences move to the front, and back afterwards.
        places, empty = torch.arange(length, device=known.device), length - known.sum(1, keepdim=True)
        states, _ = self.cell(self.dropout(_moved(vectors, (places + empty) % length)))
        return _moved(states, (places - empty) % length)


class AttentionEncoder(SequenceEncoder):
    r"""Causal self-attention: each position attends to itself and to the positions before it.

    $$ x \leftarrow x + A(\mathrm{LN}(x)), \quad x \leftarrow x + \mathrm{FFN}(\mathrm{LN}(x)), \quad
       A(x) = \mathrm{softmax}\Big(\frac{Q K^\top}{\sqrt{d}}\Big) V $$

    Positions, counted from the newest, have learned embeddings. Normalisation comes before each sublayer, which trains
    without a warm-up.

    Args:
        dim: Width of the vectors.
        length: Maximum sequence length.
        heads: Number of attention heads, which share `dim`.
        layers: Number of blocks.
        dropout: Share of values set to 0 during training: of the input, and of the output of each sublayer.

    Source:
        Kang & McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018; Xiong et al., "On Layer Normalization in
        the Transformer Architecture", ICML 2020, for the position of the normalisation.

    Example:
        >>> encoder = AttentionEncoder(8, length=5, heads=2)
        >>> encoder(torch.ones(3, 5, 8), torch.ones(3, 5, dtype=torch.bool)).shape
        torch.Size([3, 5, 8])
    """

    def __init__(self, dim: int, *, length: int, heads: int = 2, layers: int = 2, dropout: float = 0.0) -> None:
        super().__init__()
        self.places = uniform(length, dim, init_scale=0.05)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(_Block(dim, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)

    def forward(
        self, vectors: Float[Tensor, "batch length dim"], known: Bool[Tensor, "batch length"]
    ) -> Float[Tensor, "batch length dim"]:
        """Apply all blocks.

        Args:
            vectors: One vector per position.
            known: False for padding in front.

        Returns:
            One vector per position.
        """
        length = known.shape[1]
        x = self.dropout(vectors + self.places[-length:])
        causal = torch.ones(length, length, dtype=torch.bool, device=known.device).tril()
        # Padding attends to itself, so that no softmax is empty.
        itself = torch.eye(length, dtype=torch.bool, device=known.device)
        seen = (causal & known[:, None, :]) | itself
        for block in self.blocks:
            x = block(x, seen[:, None])
        out: Tensor = self.norm(x)
        return out


class _Block(nn.Module):
    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(2))
        self.attend = linear(dim, 3 * dim)
        self.merge = linear(dim, dim)
        self.feed = nn.Sequential(linear(dim, dim), nn.ReLU(), linear(dim, dim))
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Float[Tensor, "batch length dim"], seen: Bool[Tensor, "batch 1 length length"]
    ) -> Float[Tensor, "batch length dim"]:
        first, second = self.norms
        query, key, value = self.attend(first(x)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        x = x + self.dropout(self.merge(mixed.transpose(1, 2).flatten(2)))
        fed: Tensor = x + self.dropout(self.feed(second(x)))
        return fed


def sequence_encoder(kind: str, dim: int, *, length: int, heads: int = 2, dropout: float = 0.0) -> SequenceEncoder:
    """Make an encoder by name.

    Args:
        kind: `"gru"` or `"attention"`.
        dim: Width of the vectors.
        length: Maximum sequence length.
        heads: Number of attention heads.
        dropout: Share of values set to 0 during training.

    Returns:
        The encoder.

    Raises:
        ConfigError: If the name is unknown, `dim` is not a multiple of `heads`, or `length` or `dropout` is out of
            range.
    """
    if kind not in get_args(Encoding):
        raise ConfigError(
            f"encoder={kind!r} is not one of {', '.join(map(repr, get_args(Encoding)))}"
            f"{did_you_mean(kind, get_args(Encoding))}"
        )
    if length < 1:
        raise ConfigError(f"length={length}; a sequence has at least one place")
    check_dropout(dropout)
    if kind == "gru":
        return RecurrentEncoder(dim, dropout=dropout)
    if heads < 1 or dim % heads:
        raise ConfigError(f"{heads} heads cannot share a width of {dim}; give a number of heads that divides it")
    return AttentionEncoder(dim, length=length, heads=heads, dropout=dropout)


def _moved(
    vectors: Float[Tensor, "batch length dim"], places: Int[Tensor, "batch length"]
) -> Float[Tensor, "batch length dim"]:
    return vectors.gather(1, places[:, :, None].expand_as(vectors))
