"""Codes: vectors in a few bits a number, cell by cell, which a processor compares a million at a time."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, Int32, UInt8
from torch import Tensor
from torch.nn import functional as F

from motet.errors import ConfigError

BITS = 4  # what the fast tables of a processor's registers hold: 16 centroids
SAMPLE = 1 << 16  # rows from which the centroids are learned: 4,096 for each of them
POINTS = 64  # rows for each cell from which its centre is learned
ROUNDS = 8  # of moving the centres of cells
STRETCH = 1.1  # of the sample: rows with large products lie further out than most
ROWS = 96  # compared at once in a single cell: a table in registers serves more of them than the 32 faiss takes
ALONE = 11  # faiss' number of a scan of cells query by query: a tenth faster for one, and not slower for 64
WIDE = 4  # numbers, of which the width is made a multiple
BLOCK = 1 << 16  # rows that are written at once


class Codes:
    r"""Vectors as the centre of their cell and, of what is left, each pair of numbers by the nearest of 16 centroids.

    $$ q \cdot x \approx q \cdot c_{cell(x)} + \sum_m q_m \cdot \mu_{m, code_m(x)} $$

    A single cell says little of a vector, and needs no list of its rows, which takes eight bytes a row. There a second
    code tells what the first one leaves, four numbers at a time: three bits a number in place of two.

    Args:
        cells: The centres of cells; their width is a multiple of four.
        centroids: Sixteen for each pair of numbers. With a single cell two zeros follow each, and sixteen for each four
            numbers come behind them.
        cell: That of each row.
        codes: One line a row, two codes a byte.

    Source:
        Jegou et al., "Product Quantization for Nearest Neighbor Search", PAMI 2011, also for the cells; Andre et al.,
        "Cache locality is not enough", VLDB 2015, for the tables in registers; Chen et al., "Approximate nearest
        neighbor search by residual vector quantization", Sensors 2010, for codes of what is left.
    """

    def __init__(
        self,
        *,
        cells: Float32[Tensor, "cells wide"],
        centroids: Float32[Tensor, "parts 16 numbers"],
        cell: Int32[Tensor, " rows"],
        codes: UInt8[Tensor, "rows bytes"],
    ) -> None:
        faiss = imported()
        self.cells, self.centroids, self.cell, self.codes = cells, centroids, cell, codes
        self._centres = faiss.IndexFlatIP(cells.shape[1])
        self._centres.add(cells.numpy())
        self._scan = self._parted(faiss) if len(cells) > 1 else self._flat(faiss)

    def _flat(self, faiss: Any) -> Any:
        """All codes in one line, which is read twice as fast as the same in a cell."""
        parts, _, numbers = self.centroids.shape
        whole = faiss.IndexPQ(parts * numbers, parts, BITS, faiss.METRIC_INNER_PRODUCT)
        faiss.copy_array_to_vector(self.centroids.numpy().ravel(), whole.pq.centroids)
        faiss.copy_array_to_vector(self.codes.numpy().ravel(), whole.codes)
        whole.ntotal, whole.is_trained = len(self), True
        return faiss.IndexPQFastScan(whole, ROWS)

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
        scan.implem = ALONE
        # `scan` has copied the codes into its own layout: it never reads those of `whole` again, but would keep them.
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
        faiss, width = imported(), vectors.shape[1] + -vectors.shape[1] % WIDE
        drawn = torch.randperm(len(vectors), generator=torch.Generator().manual_seed(seed))
        learner = faiss.Kmeans(width, cells, niter=ROUNDS, seed=seed, min_points_per_centroid=1)
        learner.train(_padded(vectors[drawn[: max(SAMPLE, POINTS * cells)]]))
        nearest = faiss.IndexFlatL2(width)
        nearest.add(learner.centroids)
        some = _padded(vectors[drawn[:SAMPLE]])
        left, products = some - learner.centroids[nearest.assign(some, 1)[:, 0]], []
        for numbers in (2, WIDE) if cells == 1 else (2,):
            products.append(faiss.ProductQuantizer(width, width // numbers, BITS))
            products[-1].cp.min_points_per_centroid = 1
            products[-1].cp.seed = seed
            products[-1].train(STRETCH * left)
            left -= products[-1].decode(products[-1].compute_codes(left))
        tables = [torch.from_numpy(faiss.vector_to_array(p.centroids)).view(p.M, 1 << BITS, p.dsub) for p in products]
        cell, codes = [], []
        for block in map(_padded, vectors.split(BLOCK)):
            cell.append(nearest.assign(block, 1)[:, 0])
            left, lines = block - learner.centroids[cell[-1]], []
            for product in products:
                lines.append(product.compute_codes(left))
                left -= product.decode(lines[-1])
            codes.append(np.concatenate(lines, axis=1))
        return cls(
            cells=torch.from_numpy(learner.centroids),
            centroids=torch.cat([F.pad(table, (0, products[-1].dsub - table.shape[2])) for table in tables]),
            cell=torch.from_numpy(np.concatenate(cell).astype(np.int32)),
            codes=torch.from_numpy(np.concatenate(codes)),
        )

    def nearest(self, queries: Float[Tensor, "n *heads width"], count: int, probes: int) -> Int[Tensor, "n found"]:
        """The rows whose codes promise the largest dot products, in the cells whose centres do.

        Args:
            queries: One vector a line, or several.
            count: How many for each vector, at most as many as there are.
            probes: How many cells are looked at.

        Returns:
            Rows, those of one vector best first; -1 fills up where those cells hold fewer.
        """
        asked, parted = _padded(queries.flatten(0, -2)), len(self.cells) > 1
        if not parted:
            pairs = np.zeros((len(asked), asked.shape[1] // 2, WIDE), dtype=np.float32)
            pairs[:, :, :2] = asked.reshape(len(asked), -1, 2)
            asked = np.concatenate([pairs.reshape(len(asked), -1), asked], axis=1)
        rows: np.ndarray[Any, np.dtype[np.int64]]
        rows = self._scan.search(asked, count, params=_looking(probes) if parted else None)[1]
        return torch.from_numpy(rows.reshape(len(queries), -1))

    def places(self, queries: Float32[Tensor, "n width"], rows: Int[Tensor, "n some"]) -> Int[Tensor, "n some"]:
        """How many cells a query looks at before that of a row.

        Args:
            queries: One a line.
            rows: Of which cells, a line for each query.

        Returns:
            The number; 0 for the first cell.
        """
        order = self._centres.search(_padded(queries), len(self.cells))[1]
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


@cache
def _looking(probes: int) -> Any:
    """What faiss is told with each search; to make it anew takes a twentieth of the time of a search."""
    return imported().SearchParametersIVF(nprobe=probes)


def _padded(vectors: Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Numbers in fours, on the processor: zeros join the last ones where they are fewer."""
    padded: np.ndarray[Any, np.dtype[np.float32]]
    short = -vectors.shape[1] % WIDE
    whole = vectors.detach().cpu().float()
    padded = (F.pad(whole, (0, short)) if short else whole).contiguous().numpy()
    return padded
