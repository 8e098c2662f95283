"""BucketEmbedding: one vector per bucket of a number."""

from __future__ import annotations

import torch
from jaxtyping import Float, Real
from torch import Tensor

from motet.layers.embedding import Embedding
from motet.layers.precision import Exact


class BucketEmbedding(Exact):
    r"""Embeds a number by its bucket between quantiles of the training values; row 0 is for unknown numbers.

    $$ e(x) = W_{1 + |\{ b : q_b < x \}|} $$

    Unlike a linear map, it can express non-monotonic effects: that both the young and the old like an item.

    Args:
        dim: Width of the vectors.
        buckets: Number of buckets with equally many training values. Equal values stay together, so some buckets may be
            empty.
        init_scale: Largest absolute initial weight, drawn uniformly.

    Example:
        >>> embedding = BucketEmbedding(8, 2)
        >>> embedding.fit(torch.tensor([1.0, 2.0, 30.0, 40.0]))
        >>> embedding.bucket(torch.tensor([-5.0, 2.0, 31.0, float("nan")]))
        tensor([1, 1, 2, 0])
    """

    bounds: Tensor
    final: Tensor
    exact = ("bounds",)

    def __init__(self, dim: int, buckets: int, *, init_scale: float = 0.05) -> None:
        super().__init__()
        self.embedding = Embedding(buckets + 1, dim, init_scale=init_scale)
        self.register_buffer("bounds", torch.full((buckets - 1,), torch.inf, dtype=torch.float64))
        self.register_buffer("final", torch.tensor(False))

    def fit(self, values: Real[Tensor, " n"], *, final: bool = True) -> None:
        """Compute the quantiles of the known values.

        Args:
            values: Numbers; NaN where unknown. Without any known value nothing changes.
            final: Whether to ignore later calls, so that trained weights keep their buckets.
        """
        known = values[~values.isnan()].double().sort().values
        if self.final or len(known) == 0:
            return
        buckets = len(self.bounds) + 1
        last = torch.arange(1, buckets, device=known.device) * len(known) // buckets - 1
        self.bounds.copy_(known[last.clamp(min=0)])
        self.final.fill_(final)

    def bucket(self, values: Real[Tensor, " batch"]) -> Real[Tensor, " batch"]:
        """Assign numbers to buckets.

        Args:
            values: Numbers; NaN where unknown.

        Returns:
            Bucket numbers from 1, 0 where unknown.
        """
        return (torch.bucketize(values.double().contiguous(), self.bounds) + 1).masked_fill(values.isnan(), 0)

    def forward(self, values: Real[Tensor, " batch"]) -> Float[Tensor, "batch dim"]:
        """Embed numbers.

        Args:
            values: Numbers; NaN where unknown.

        Returns:
            One vector per number.
        """
        out: Tensor = self.embedding(self.bucket(values))
        return out
