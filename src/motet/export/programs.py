"""Programs: the user tower and the rankers as graphs that need neither motet nor Python."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from motet.data.batch import Batch
from motet.scorer import Scorer

EXAMPLE = 3  # rows of the batch that is traced: neither 0 nor 1, which torch.export takes for constants


class Programs(NamedTuple):
    """A model in two graphs.

    Attributes:
        user: From `user`, rows of users, and `preference` where the model takes one, to `vector` and, where a task
            ranks the catalogue, `query`.
        rank: From `user_vector`, `item_vector`, `user` and `item`, one row a pair, to one score a task.
        table: Why `user` looks vectors up, where the tower itself could not be written as a graph; empty where it was.
    """

    user: ExportedProgram
    rank: ExportedProgram
    table: str


class Table(nn.Module):
    """The vectors of all users, looked up by row: they are those of the training log's end.

    Args:
        vectors: One a user row.
    """

    vectors: Tensor

    def __init__(self, vectors: Float[Tensor, "users dim"]) -> None:
        super().__init__()
        self.register_buffer("vectors", vectors)

    def forward(self, user: Int[Tensor, " n"]) -> Float[Tensor, "n dim"]:
        """Look rows up.

        Args:
            user: User rows.

        Returns:
            Their vectors.
        """
        return self.vectors[user]


class Embedded(nn.Module):
    """A tower asked by rows; users who are not known get the mean of those who are.

    Args:
        scorer: Of the model.
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
        """Embed rows.

        Args:
            user: User rows.

        Returns:
            Their vectors.
        """
        vectors = self.tower(Batch({self.keys[0]: user}, *self.keys))
        return torch.where(self.known[user, None], vectors, self.mean)


class Asking(nn.Module):
    """What stands between a request and an index.

    Args:
        vectors: `Embedded` or a `Table`.
        scorer: Of the model.
    """

    def __init__(self, vectors: Embedded | Table, scorer: Scorer) -> None:
        super().__init__()
        self.vectors, self.preference, self.corpus, self.keys = (
            *(vectors, scorer.model.preference),
            *(scorer.corpus, scorer.keys),
        )

    def forward(self, user: Int[Tensor, " n"], preference: Float[Tensor, " tasks"] | None = None) -> tuple[Tensor, ...]:
        """Vectors and queries of users.

        Args:
            user: User rows.
            preference: As `Model.prefer` tells it.

        Returns:
            `[n, dim]`, and `[n, *heads, width]` where a task ranks the catalogue.
        """
        vectors = self.vectors(user)
        if self.preference is not None:
            vectors = self.preference(vectors, preference)
        if self.corpus is None:
            return (vectors,)
        return vectors, self.corpus.queries(vectors, Batch({self.keys[0]: user}, *self.keys, preference=preference))


class Ranking(nn.Module):
    """What every task says of pairs.

    Args:
        scorer: Of the model.
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
            user_vector: Of the user of each pair.
            item_vector: Of its item.
            user: Its user's row.
            item: Its item's row.

        Returns:
            One score a pair, by task, in the order of the model's tasks.
        """
        batch = Batch(dict(zip(self.keys, (user, item), strict=True)), *self.keys)
        return tuple(self.model.score_vectors(user_vector, item_vector, batch).values())


@torch.no_grad()
def programs(scorer: Scorer) -> Programs:
    """Trace a model; the batch may have any size afterwards.

    A tower that reads what a user had, or that cannot be traced, is replaced by the table of its vectors: the program
    takes and gives the same.

    Args:
        scorer: Of the model; `Recommender.scorer`.

    Returns:
        `torch.export` programs, which give what the model gives. `torch.export.save` writes them, for those who trust
        the writer: loading one unpickles what is in it and evaluates text, so an artifact holds none.
    """
    rows = torch.ones(EXAMPLE, dtype=torch.int64, device=scorer.device)
    told = () if scorer.model.preference is None else (torch.zeros(len(scorer.model.tasks), device=scorer.device),)
    tower, batch = scorer.model.user, {0: Dim("batch")}
    table = f"a {type(tower).__name__} reads what users had" if tower.context or tower.reads_history else ""
    asked, sizes = (rows, *told), (batch, *(None for _ in told))
    user = None
    if not table:
        try:
            user = torch.export.export(Asking(Embedded(scorer), scorer), asked, dynamic_shapes=sizes)
        except Exception as error:  # a tower is anybody's code, and what tracing makes of it has no common ancestor
            table = f"a {type(tower).__name__} cannot be traced: {str(error).strip().splitlines()[0][:100]}"
    if user is None:
        user = torch.export.export(Asking(Table(scorer.everyone), scorer), asked, dynamic_shapes=sizes)
    # Rows of their own: one tensor given twice would be traced as one input.
    pairs = (scorer.users(rows), scorer.items[rows], rows, rows.clone())
    return Programs(user, torch.export.export(Ranking(scorer), pairs, dynamic_shapes=(batch,) * 4), table)
