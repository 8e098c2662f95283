"""ApproximateIndex: shortlists rows by short codes of the vectors, then compares the vectors themselves."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.errors import ConfigError
from motet.index.base import Hits, Index, Rows
from motet.index.best import trimmed
from motet.index.codes import Codes
from motet.index.compared import FRACTION, among, listed
from motet.index.exact import ExactIndex

FEWEST = 10_000  # rows; fewer are compared so fast that codes gain nothing


class ApproximateIndex(Index):
    """Finds nearly all of what a full sort would find, several times faster; filters and lengths hold exactly.

    Each vector is kept a second time as a code of two bits a number, a sixteenth of its size; three bits where there is
    a single cell. A query is compared with the codes of the `probes` cells that promise most; the `shortlist` best by
    them that may be found are then compared in full, so that scores are true dot products, and the lowest row comes
    first among equals. Where `only` allows few rows, these are compared in full, and nothing is missed. Where less than
    min(k, allowed) rows are found, all rows are compared.

    `motet.index.check.fitted` builds the index that reaches a recall: with cells where vectors lie in clusters, and
    without where they do not, because most cells would have to be looked at.

    Args:
        vectors: One vector a row; they are compared on the processor.
        cells: Into how many cells the vectors are parted, each about a centre. The default compares a query with
            all codes, and depends on no structure of the vectors.
        probes: How many cells a search looks at; all where not given.
        shortlist: How many rows are compared in full, at least five for each four that are asked for. The default
            finds .95 of the best 500 among a million vectors without any structure, and more where there is some.
        seed: Of the sample from which cells and codes are learned.

    Raises:
        ConfigError: If the shortlist, cells or probes are below 1, there are more cells than vectors, or faiss is not
            installed.
        DataError: If a vector is not finite; the message names the first such row.

    Attributes:
        exact: The vectors themselves.
        codes: Their codes; None below 10,000 rows, which are all compared. Added rows have none, and are compared
            in full each time.

    Example:
        >>> vectors = torch.randn(20_000, 8, generator=torch.Generator().manual_seed(0))
        >>> ApproximateIndex(vectors).search(vectors[:1], 1).rows.shape
        torch.Size([1, 1])
    """

    def __init__(
        self,
        vectors: Float[Tensor, "rows width"],
        *,
        cells: int = 1,
        probes: int | None = None,
        shortlist: int = 2_000,
        seed: int = 0,
    ) -> None:
        for name, value in {"cells": cells, "probes": probes, "shortlist": shortlist}.items():
            if value is not None and value < 1:
                raise ConfigError(f"{name}={value}; it must be at least 1")
        if cells > max(1, len(vectors)):
            raise ConfigError(f"cells={cells} for {len(vectors)} vectors; take at most one for each")
        self.probes, self.shortlist = probes or cells, shortlist
        self.exact = ExactIndex(vectors.cpu(), rounded=False)
        self.codes = Codes.of(self.exact.vectors, cells=cells, seed=seed) if len(vectors) >= FEWEST else None

    @classmethod
    def of(cls, exact: ExactIndex, codes: Codes | None, *, probes: int, shortlist: int) -> ApproximateIndex:
        """An index of vectors whose codes are known.

        Args:
            exact: The vectors.
            codes: Of the first of them.
            probes: As in the constructor.
            shortlist: As in the constructor.

        Returns:
            The index.
        """
        index = cls(exact.vectors[:0], probes=probes, shortlist=shortlist)
        index.exact, index.codes = exact, codes
        return index

    def __len__(self) -> int:
        return len(self.exact)

    @property
    def vectors(self) -> Float[Tensor, "rows width"]:
        """All rows, removed ones included."""
        return self.exact.vectors

    def add(self, vectors: Float[Tensor, "more width"]) -> None:
        """Hold more rows, behind those there are; see `Index.add`."""
        self.exact.add(vectors)

    def remove(self, rows: Int[Tensor, " n"]) -> None:
        """Never find these rows again; see `Index.remove`."""
        self.exact.remove(rows)

    def search(
        self, queries: Float[Tensor, "n *heads width"], k: int, *, exclude: Rows | None = None, only: Rows | None = None
    ) -> Hits:
        """Nearly the k best allowed rows for each query; see `Index.search`."""
        queries = self.exact.asked(queries, k)
        allowed = self.exact.filter(len(queries), exclude, only)
        few = None if only is None else listed(only, len(queries))
        most = max(self.shortlist, k + k // 4)
        count = most + allowed.most if few is None else few.shape[1]
        if self.codes is None or not len(queries) or count * FRACTION > len(self):
            return self.exact.search(queries, k, exclude=exclude, only=only)
        if few is not None:
            return among(self.vectors, queries, few, k, allowed)
        limit = most + len(self) - len(self.codes) if queries.ndim == 2 else None  # heads may come to the same rows
        hits = among(self.vectors, queries, self._shortlisted(queries, count), k, allowed, limit=limit)
        return self._completed(hits, queries, k, exclude)

    def _shortlisted(self, queries: Tensor, count: int) -> Tensor:
        """The rows without a code, and those of which the codes promise most, best first."""
        assert self.codes is not None
        rows = self.codes.nearest(queries, min(count, len(self.codes)), self.probes)
        if len(self) == len(self.codes):
            return rows
        return torch.cat([torch.arange(len(self.codes), len(self)).expand(len(queries), -1), rows], 1)

    def _completed(self, hits: Hits, queries: Tensor, k: int, exclude: Rows | None) -> Hits:
        """Compare all rows where the filters took so many of the shortlist that less than k are left."""
        if hits.rows.shape[1] == k and (len(hits.rows) == 1 or (hits.rows[:, -1] >= 0).all()):
            return hits
        lines = ((hits.rows >= 0).sum(1) < k).nonzero()[:, 0]
        kept = exclude
        if exclude is not None and not isinstance(exclude, Tensor):
            kept = [exclude[line] for line in lines.tolist()]
        whole = self.exact.search(queries[lines], k, exclude=kept)
        rows, scores = hits.rows.new_full((len(hits.rows), k), -1), hits.scores.new_full((len(hits.rows), k), -math.inf)
        rows[:, : hits.rows.shape[1]], scores[:, : hits.rows.shape[1]] = hits.rows, hits.scores
        rows[lines, : whole.rows.shape[1]], scores[lines, : whole.rows.shape[1]] = whole.rows, whole.scores
        return trimmed([Hits(rows, scores)], self.vectors)
