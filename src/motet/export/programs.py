"""Programs: the user tower and the task heads as graphs that need neither motet nor Python."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from motet.data.batch import Batch
from motet.scorer import Scorer

EXAMPLE = 3  # rows in the traced batch; torch.export treats sizes 0 and 1 as constants


class Programs(NamedTuple):
    """A model as two graphs.

    Attributes:
        user: Maps `user` (user rows), and `preference` if the model takes one, to `vector` and, if a task ranks the
            catalogue, `query`.
        rank: Maps `user_vector`, `item_vector`, `user` and `item`, one row for each pair, to one score for each task.
        table: Why `user` looks vectors up in a table instead of running the tower; empty if it runs the tower.
    """

    user: ExportedProgram
    rank: ExportedProgram
    table: str


class Table(nn.Module):
    """Looks user vectors up by row. They are computed from each user's history at the end of the training log.

    Args:
        vectors: One for each user row.
    """

    vectors: Tensor

    def __init__(self, vectors: Float[Tensor, "users dim"]) -> None:
        super().__init__()
        self.register_buffer("vectors", vectors)

    def forward(self, user: Int[Tensor, " n"]) -> Float[Tensor, "n dim"]:
        """Look vectors up.

        Args:
            user: User rows.

        Returns:
            Their vectors.
        """
        return self.vectors[user]


class Embedded(nn.Module):
    """Embeds user rows with the tower; unknown users get the mean vector of the known ones.

    Args:
        scorer: The model's scorer.
    """

    known: Tensor
    mean: Tensor

    def __init__(self, scorer: Scorer) -> None:
        super().__init__()
        self.tower = scorer.model.user
        self.keys = scorer.keys
        self.register_buffer("known", scorer.known)
        self.register_buffer("mean", scorer.everyone[0])

    def forward(self, user: Int[Tensor, " n"]) -> Float[Tensor, "n dim"]:
        """Embed users.

        Args:
            user: User rows.

        Returns:
            Their vectors.
        """
        vectors = self.tower(Batch({self.keys[0]: user}, *self.keys))
        return torch.where(self.known[user, None], vectors, self.mean)


class Asking(nn.Module):
    """Computes user vectors and the queries for the index.

    Args:
        vectors: `Embedded` or a `Table`.
        scorer: The model's scorer.
    """

    def __init__(self, vectors: Embedded | Table, scorer: Scorer) -> None:
        super().__init__()
        self.vectors, self.preference, self.corpus, self.keys = (
            *(vectors, scorer.model.preference),
            *(scorer.corpus, scorer.keys),
        )

    def forward(self, user: Int[Tensor, " n"], preference: Float[Tensor, " tasks"] | None = None) -> tuple[Tensor, ...]:
        """Compute vectors and queries of users.

        Args:
            user: User rows.
            preference: In the form that `Model.prefer` returns.

        Returns:
            Vectors `[n, dim]` and, if a task ranks the catalogue, queries `[n, *heads, width]`.
        """
        vectors = self.vectors(user)
        if self.preference is not None:
            vectors = self.preference(vectors, preference)
        if self.corpus is None:
            return (vectors,)
        return vectors, self.corpus.queries(vectors, Batch({self.keys[0]: user}, *self.keys, preference=preference))


class Ranking(nn.Module):
    """Scores pairs with every task.

    Args:
        scorer: The model's scorer.
    """

    def __init__(self, scorer: Scorer) -> None:
        super().__init__()
        self.model, self.keys = scorer.model, scorer.keys

    def forward(
        self,
        user_vector: Float[Tensor, "n user_dim"],
        item_vector: Float[Tensor, "n item_dim"],
        user: Int[Tensor, " n"],
        item: Int[Tensor, " n"],
    ) -> tuple[Tensor, ...]:
        """Score pairs.

        Args:
            user_vector: User vector of each pair.
            item_vector: Item vector of each pair.
            user: User row of each pair.
            item: Item row of each pair.

        Returns:
            For each task, in the order of the model, one score for each pair.
        """
        batch = Batch(dict(zip(self.keys, (user, item), strict=True)), *self.keys)
        return tuple(self.model.score_vectors(user_vector, item_vector, batch).values())


@torch.no_grad()
def programs(scorer: Scorer) -> Programs:
    """Trace a model as programs that take batches of any size.

    A user tower that reads the user's history or the context of a request, or that cannot be traced, is replaced by a
    table of its vectors; inputs and outputs of the program stay the same.

    Args:
        scorer: The model's scorer, `Recommender.scorer`.

    Returns:
        `torch.export` programs that compute the same as the model. An artifact does not contain them in the format of
        `torch.export.save`, because loading it unpickles objects and evaluates text.
    """
    rows = torch.ones(EXAMPLE, dtype=torch.int64, device=scorer.device)
    told = () if scorer.model.preference is None else (torch.zeros(len(scorer.model.tasks), device=scorer.device),)
    tower, batch = scorer.model.user, {0: Dim("batch")}
    what = "histories of users" if tower.reads_history else "the context of a request" if tower.context else ""
    table = f"a {type(tower).__name__} reads {what}" if what else ""
    asked, sizes = (rows, *told), (batch, *(None for _ in told))
    user = None
    if not table:
        try:
            user = torch.export.export(Asking(Embedded(scorer), scorer), asked, dynamic_shapes=sizes)
        except Exception as error:  # errors of tracing have no common base class, and a tower may be anybody's code
            table = f"a {type(tower).__name__} cannot be traced: {str(error).strip().splitlines()[0][:100]}"
    if user is None:
        user = torch.export.export(Asking(Table(scorer.everyone), scorer), asked, dynamic_shapes=sizes)
    # A clone, because a tensor passed twice would be traced as one input.
    pairs = (scorer.users(rows), scorer.items[rows], rows, rows.clone())
    return Programs(user, torch.export.export(Ranking(scorer), pairs, dynamic_shapes=(batch,) * 4), table)
