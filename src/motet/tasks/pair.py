"""PairTask: a task with a head that reads the vectors of a user and an item together.

Without a trunk, the head reads the pair of vectors, side by side. With a trunk, it reads the trunk's output for this
pair. A subclass defines its head, loss and score for either input alike.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor

from motet.data.batch import Batch
from motet.errors import ConfigError
from motet.layers.mlp import side_by_side
from motet.tasks.base import Task
from motet.tasks.rows import Rows
from motet.towers.base import Tower

Inputs = Sequence[Float[Tensor, "... _"]]  # what a head reads: one tensor, or several side by side that broadcast


class PairTask(Task):
    """A task with a head over the pair of vectors, or over the output of a shared trunk.

    Args:
        name: The key of its loss, metrics, score and weight.
        needs: Label columns that it reads.
        where: The rows it learns from.
        product: Whether the pair includes the elementwise product of the vectors. A trunk has its own setting.
    """

    def __init__(
        self, name: str, *, needs: tuple[str, ...] = (), where: str | Rows | None = None, product: bool = False
    ) -> None:
        super().__init__(name, needs=needs, where=where)
        self.product = product

    def build(self, user: Tower, item: Tower) -> None:
        """Create the head over the pair of vectors; `Model` calls this once, if it has no trunk.

        Args:
            user: The user tower.
            item: The item tower.

        Raises:
            ConfigError: If `product` is set and the vectors have different widths.
        """
        self.build_head(pair_width(user, item, product=self.product, of=f"task {self.name!r}"), user, item)

    @abstractmethod
    def build_head(self, width: int, user: Tower, item: Tower) -> None:
        """Create the head.

        Args:
            width: The width of its input.
            user: The user tower.
            item: The item tower.
        """

    @abstractmethod
    def head_loss(self, inputs: Inputs, batch: Batch) -> Float[Tensor, " batch"]:
        """Compute one loss per row, 0 where a label is missing.

        Args:
            inputs: What the head reads: the pair of vectors, or the output of the trunk.
            batch: The rows.

        Returns:
            The loss of each row.
        """

    @abstractmethod
    def head_score(self, inputs: Inputs, batch: Batch) -> Float[Tensor, "*batch"]:
        """Compute the task's score of each row's user and item, in its own unit.

        Args:
            inputs: What the head reads; an `MLP` takes them as they are.
            batch: The rows.

        Returns:
            One score per row.
        """

    def head_parts(self, inputs: Inputs, batch: Batch) -> Mapping[str, Float[Tensor, "*batch"]]:
        """Compute the predictions that point metrics compare with labels; see `Task.parts`.

        Args:
            inputs: What the head reads.
            batch: The rows.

        Returns:
            One score per row, by part.
        """
        return {"": self.head_score(inputs, batch)}

    def loss(
        self, user: Float[Tensor, "batch user_dim"], item: Float[Tensor, "batch item_dim"], batch: Batch
    ) -> Float[Tensor, " batch"]:
        """The loss of each row, without a trunk; see `Task.loss`."""
        return self.head_loss(pair_vectors(user, item, product=self.product), batch)

    def score(
        self, user: Float[Tensor, "... user_dim"], item: Float[Tensor, "*batch item_dim"], batch: Batch
    ) -> Float[Tensor, "*batch"]:
        """The score of each row, without a trunk; see `Task.score`."""
        return self.head_score(pair_vectors(user, item, product=self.product), batch)

    def parts(
        self, user: Float[Tensor, "... user_dim"], item: Float[Tensor, "*batch item_dim"], batch: Batch
    ) -> Mapping[str, Float[Tensor, "*batch"]]:
        """The parts of the prediction, without a trunk; see `Task.parts`."""
        return self.head_parts(pair_vectors(user, item, product=self.product), batch)


def pair_vectors(
    user: Float[Tensor, "... user_dim"], item: Float[Tensor, "*batch item_dim"], *, product: bool
) -> Inputs:
    """Put user vectors, item vectors and, optionally, their elementwise product side by side.

    Args:
        user: User vectors.
        item: Item vectors.
        product: Whether to append the product.

    Returns:
        One concatenated vector per row. User vectors that broadcast stay apart from the rest, which is concatenated.
    """
    return side_by_side(user, item, user * item) if product else side_by_side(user, item)


def pair_width(user: Tower, item: Tower, *, product: bool, of: str) -> int:
    """The width of `pair_vectors`.

    Args:
        user: The user tower.
        item: The item tower.
        product: Whether the product is included.
        of: The reader of the pair, for the error message.

    Returns:
        The width.

    Raises:
        ConfigError: If the product is included and the widths differ.
    """
    if product and user.dim != item.dim:
        raise ConfigError(
            f"{of} multiplies user and item vectors, and their widths differ: {user.dim} and {item.dim}; give both "
            "towers the same dim, or product=False"
        )
    return user.dim + item.dim + (user.dim if product else 0)
