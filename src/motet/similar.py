"""Similar: the items, or the users, whose vectors are most similar to given ones."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from torch import Tensor

from motet.data.entities import Entities
from motet.data.lookup import Ids, check_k, known_rows, listed
from motet.index import TopK
from motet.index.cosine import Cosine


class Similar:
    """Finds similar entities by the cosine of their vectors.

    Args:
        entities: The users or the items.
        vectors: Their vectors, without that of the unknown row 0.
        side: `"user"` or `"item"`, for error messages.
    """

    def __init__(self, entities: Entities, vectors: Float[Tensor, "known dim"], *, side: str) -> None:
        self.entities = entities
        self.cosine = Cosine(vectors)
        self.side = side

    def to(self, ids: Ids, k: int) -> TopK:
        """Find the k most similar entities, other than the entity itself.

        Args:
            ids: One id, for a 1-D answer, or many, for a 2-D one.
            k: The number of similar entities.

        Returns:
            k ids for each, with the cosine as the score.

        Raises:
            DataError: If an id is unknown.
            ConfigError: If k is 0 or not below the number of entities.
        """
        check_k(k, len(self.entities) - 2, f"other {self.side}s")
        many, single = listed(ids)
        rows = known_rows(self.entities, many, self.side)
        hits = self.cosine.others(rows.to(self.cosine.vectors.device) - 1, k)
        found = np.array(self.entities.vocab.decode_list((hits.rows.cpu() + 1).flatten()), dtype=object)
        top = TopK(found.reshape(hits.rows.shape), hits.scores.cpu(), basis=np.full(len(rows), "known", dtype=object))
        return next(top.each()) if single else top
