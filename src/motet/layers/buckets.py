"""BucketEmbedding: a number as the vector of the bucket it falls into."""

from __future__ import annotations

import torch
from jaxtyping import Float, Real
from torch import Tensor, nn

from motet.layers.embedding import Embedding


class BucketEmbedding(nn.Module):
    r"""A number as a vector: one of a table, by the quantiles of training that it lies between; row 0 if not known.

    $$ e(x) = W_{1 + |\{ b : q_b < x \}|} $$

    What a line through the number cannot say it can: that both the young and the old like an item.

    Args:
        dim: Width of the vectors.
        buckets: How many, with equally many training values each; values that are equal stay together, so that some
            may be empty.
        init_scale: Largest absolute weight at the start, drawn uniformly.

    Example:
        >>> embedding = BucketEmbedding(8, 2)
        >>> embedding.fit(torch.tensor([1.0, 2.0, 30.0, 40.0]))
        >>> embedding.bucket(torch.tensor([-5.0, 2.0, 31.0, float("nan")]))
        tensor([1, 1, 2, 0])
    """

    bounds: Tensor
    final: Tensor

    def __init__(self, dim: int, buckets: int, *, init_scale: float = 0.05) -> None:
        super().__init__()
        self.embedding = Embedding(buckets + 1, dim, init_scale=init_scale)
        self.register_buffer("bounds", torch.full((buckets - 1,), torch.inf, dtype=torch.float64))
        self.register_buffer("final", torch.tensor(False))

    def fit(self, values: Real[Tensor, " n"], *, final: bool = True) -> None:
        """Measure the quantiles of the known values.

        Args:
            values: Numbers; NaN where not known. With none known nothing changes.
            final: Whether later calls change nothing, so that weights trained on some buckets keep them.
        """
        known = values[~values.isnan()].double().sort().values
        if self.final or len(known) == 0:
            return
        buckets = len(self.bounds) + 1
        last = torch.arange(1, buckets, device=known.device) * len(known) // buckets - 1
        self.bounds.copy_(known[last.clamp(min=0)])
        self.final.fill_(final)

    def bucket(self, values: Real[Tensor, " batch"]) -> Real[Tensor, " batch"]:
        """Which bucket numbers fall into, counted from 1.

        Args:
            values: Numbers; NaN where not known.

        Returns:
            One row of the table a number.
        """
        return (torch.bucketize(values.double().contiguous(), self.bounds) + 1).masked_fill(values.isnan(), 0)

    def forward(self, values: Real[Tensor, " batch"]) -> Float[Tensor, "batch dim"]:
        """Look the numbers up.

        Args:
            values: Numbers; NaN where not known.

        Returns:
            One vector a number.
        """
        out: Tensor = self.embedding(self.bucket(values))
        return out
