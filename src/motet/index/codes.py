"""Codes: vectors in four bits for every two numbers, which a processor compares a million at a time."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn import functional as F

from motet.errors import ConfigError

BITS = 4  # what the fast tables of a processor's registers hold: 16 centroids
SAMPLE = 1 << 16  # rows from which the centroids are learned: 4,096 for each of them


class Codes:
    r"""Each pair of numbers of a vector by the nearest of 16 centroids of that pair.

    $$ q \cdot c \approx \sum_m q_m \cdot \mu_{m, code_m(c)} $$

    Args:
        centroids: Sixteen for each pair of numbers.
        codes: One line a row, two pairs a byte.

    Source:
        Jegou et al., "Product Quantization for Nearest Neighbor Search", PAMI 2011; Andre et al., "Cache locality is
        not enough", VLDB 2015, for the tables in registers.
    """

    def __init__(self, centroids: Float[Tensor, "pairs 16 2"], codes: UInt8[Tensor, "rows bytes"]) -> None:
        faiss = imported()
        self.centroids, self.codes = centroids, codes
        whole = faiss.IndexPQ(2 * len(centroids), len(centroids), BITS, faiss.METRIC_INNER_PRODUCT)
        faiss.copy_array_to_vector(centroids.numpy().ravel(), whole.pq.centroids)
        faiss.copy_array_to_vector(codes.numpy().ravel(), whole.codes)
        whole.ntotal, whole.is_trained = len(codes), True
        self._scan = faiss.IndexPQFastScan(whole)

    def __len__(self) -> int:
        return len(self.codes)

    @classmethod
    def of(cls, vectors: Float[Tensor, "rows width"], *, seed: int = 0) -> Codes:
        """Learn centroids from a sample of vectors, and write all vectors with them.

        Args:
            vectors: At least 16, one a row.
            seed: Of the sample and of the first centroids.

        Returns:
            The codes.
        """
        padded = _even(vectors)
        pairs = padded.shape[1] // 2
        product = imported().ProductQuantizer(2 * pairs, pairs, BITS)
        product.cp.min_points_per_centroid = 1
        product.cp.seed = seed
        drawn = torch.randperm(len(padded), generator=torch.Generator().manual_seed(seed))[:SAMPLE]
        product.train(padded[drawn].numpy())
        centroids = imported().vector_to_array(product.centroids).reshape(pairs, 1 << BITS, 2)
        return cls(torch.from_numpy(centroids.copy()), torch.from_numpy(product.compute_codes(padded.numpy())))

    def nearest(self, queries: Float[Tensor, "n width"], count: int) -> Int[Tensor, "n count"]:
        """The rows whose codes promise the largest dot products.

        Args:
            queries: One a line.
            count: How many, at most as many as there are.

        Returns:
            Rows, in no order.
        """
        rows: np.ndarray[Any, np.dtype[np.int64]] = self._scan.search(_even(queries).numpy(), count)[1]
        return torch.from_numpy(rows)


def imported() -> Any:
    """Import faiss.

    Returns:
        The module.

    Raises:
        ConfigError: If it is not installed.
    """
    try:
        with warnings.catch_warnings():
            # Its wrappers are made by a SWIG whose types lack a __module__, which Python gives up.
            warnings.filterwarnings("ignore", "builtin type .* has no __module__ attribute", DeprecationWarning)
            import faiss
    except ImportError as error:
        raise ConfigError(
            f"an approximate index needs one more package ({error}); install it: pip install 'motet[ann]'"
        ) from error
    return faiss


def _even(vectors: Tensor) -> Tensor:
    """Numbers in pairs, on the processor: a zero joins the last one where it is alone."""
    return F.pad(vectors.detach().cpu().float(), (0, vectors.shape[1] % 2)).contiguous()
