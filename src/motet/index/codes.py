"""Codes: vectors in four bits for every two numbers, cell by cell, which a processor compares a million at a time."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int, Int32, UInt8
from torch import Tensor
from torch.nn import functional as F

from motet.errors import ConfigError

BITS = 4  # what the fast tables of a processor's registers hold: 16 centroids
SAMPLE = 1 << 16  # rows from which the centroids are learned: 4,096 for each of them
POINTS = 64  # rows for each cell from which its centre is learned
ROUNDS = 8  # of moving the centres of cells
BLOCK = 1 << 16  # rows that are written at once


class Codes:
    r"""Vectors as the centre of their cell and, of what is left, each pair of numbers by the nearest of 16 centroids.

    $$ q \cdot x \approx q \cdot c_{cell(x)} + \sum_m q_m \cdot \mu_{m, code_m(x)} $$

    Args:
        cells: The centres of cells, of an even width.
        centroids: Sixteen for each pair of numbers.
        cell: That of each row.
        codes: One line a row, two pairs a byte.

    Source:
        Jegou et al., "Product Quantization for Nearest Neighbor Search", PAMI 2011, also for the cells; Andre et al.,
        "Cache locality is not enough", VLDB 2015, for the tables in registers.
    """

    def __init__(
        self,
        *,
        cells: Float32[Tensor, "cells even"],
        centroids: Float32[Tensor, "pairs 16 2"],
        cell: Int32[Tensor, " rows"],
        codes: UInt8[Tensor, "rows bytes"],
    ) -> None:
        faiss = imported()
        self.cells, self.centroids, self.cell, self.codes = cells, centroids, cell, codes
        self._centres = faiss.IndexFlatIP(cells.shape[1])
        self._centres.add(cells.numpy())
        self._asked = faiss.SearchParametersIVF
        self._scan = self._parted(faiss) if len(cells) > 1 else self._flat(faiss)

    def _flat(self, faiss: Any) -> Any:
        """All codes in one line, which is read twice as fast as the same in a cell."""
        width, pairs = self.cells.shape[1], len(self.centroids)
        whole = faiss.IndexPQ(width, pairs, BITS, faiss.METRIC_INNER_PRODUCT)
        faiss.copy_array_to_vector(self.centroids.numpy().ravel(), whole.pq.centroids)
        faiss.copy_array_to_vector(self.codes.numpy().ravel(), whole.codes)
        whole.ntotal, whole.is_trained = len(self), True
        return faiss.IndexPQFastScan(whole)

    def _parted(self, faiss: Any) -> Any:
        """Codes cell by cell."""
        width, pairs = self.cells.shape[1], len(self.centroids)
        whole = faiss.IndexIVFPQ(self._centres, width, len(self.cells), pairs, BITS, faiss.METRIC_INNER_PRODUCT)
        faiss.copy_array_to_vector(self.centroids.numpy().ravel(), whole.pq.centroids)
        rows = self.cell.argsort(stable=True)
        for number, part in enumerate(rows.split(self.cell.bincount(minlength=len(self.cells)).tolist())):
            ids, lines = part.numpy(), self.codes[part].numpy()
            whole.invlists.add_entries(number, len(part), faiss.swig_ptr(ids), faiss.swig_ptr(lines))
        whole.ntotal, whole.is_trained = len(self), True
        scan = faiss.IndexIVFPQFastScan(whole)
        # It has laid out the codes anew, never reads the first layout again, and would keep it.
        scan.orig_invlists = faiss.ArrayInvertedLists(len(self.cells), whole.code_size)
        scan.orig_invlists.this.disown()
        whole.replace_invlists(scan.orig_invlists, True)
        return scan

    def __len__(self) -> int:
        return len(self.codes)

    @classmethod
    def of(cls, vectors: Float32[Tensor, "rows width"], *, cells: int = 1, seed: int = 0) -> Codes:
        """Learn cells and centroids from a sample of vectors, and write all vectors with them.

        Args:
            vectors: At least 16, one a row.
            cells: How many, at most as many as there are vectors.
            seed: Of the samples and of the first centres.

        Returns:
            The codes.
        """
        faiss, width = imported(), vectors.shape[1] + vectors.shape[1] % 2
        drawn = torch.randperm(len(vectors), generator=torch.Generator().manual_seed(seed))
        learner = faiss.Kmeans(width, cells, niter=ROUNDS, seed=seed, min_points_per_centroid=1)
        learner.train(_even(vectors[drawn[: max(SAMPLE, POINTS * cells)]]))
        nearest = faiss.IndexFlatL2(width)
        nearest.add(learner.centroids)
        product = faiss.ProductQuantizer(width, width // 2, BITS)
        product.cp.min_points_per_centroid = 1
        product.cp.seed = seed
        some = _even(vectors[drawn[:SAMPLE]])
        product.train(some - learner.centroids[nearest.assign(some, 1)[:, 0]])
        cell, codes = [], []
        for block in map(_even, vectors.split(BLOCK)):
            cell.append(nearest.assign(block, 1)[:, 0])
            codes.append(product.compute_codes(block - learner.centroids[cell[-1]]))
        return cls(
            cells=torch.from_numpy(learner.centroids),
            centroids=torch.from_numpy(faiss.vector_to_array(product.centroids).reshape(-1, 1 << BITS, 2).copy()),
            cell=torch.from_numpy(np.concatenate(cell).astype(np.int32)),
            codes=torch.from_numpy(np.concatenate(codes)),
        )

    def nearest(self, queries: Float32[Tensor, "n width"], count: int, probes: int) -> Int[Tensor, "n count"]:
        """The rows whose codes promise the largest dot products, in the cells whose centres do.

        Args:
            queries: One a line.
            count: How many, at most as many as there are.
            probes: How many cells are looked at.

        Returns:
            Rows, in no order; -1 fills up where those cells hold fewer.
        """
        asked = self._asked(nprobe=probes) if len(self.cells) > 1 else None
        rows: np.ndarray[Any, np.dtype[np.int64]] = self._scan.search(_even(queries), count, params=asked)[1]
        return torch.from_numpy(rows)

    def places(self, queries: Float32[Tensor, "n width"], rows: Int[Tensor, "n some"]) -> Int[Tensor, "n some"]:
        """How many cells a query looks at before that of a row.

        Args:
            queries: One a line.
            rows: Of which cells, a line for each query.

        Returns:
            The number; 0 for the first cell.
        """
        order = self._centres.search(_even(queries), len(self.cells))[1]
        place: Tensor = torch.from_numpy(order).argsort(1).gather(1, self.cell[rows].long())
        return place


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


def _even(vectors: Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Numbers in pairs, on the processor: a zero joins the last one where it is alone."""
    padded: np.ndarray[Any, np.dtype[np.float32]]
    padded = F.pad(vectors.detach().cpu().float(), (0, vectors.shape[1] % 2)).contiguous().numpy()
    return padded
