"""Label: the column that a task learns from, and the name of the task."""

from __future__ import annotations

from motet.arguments import checked
from motet.errors import check_types


@checked
class Label:
    """A label column, for a task that is called otherwise: two tasks can learn from one column.

    Args:
        column: The column.
        name: The name of the task; by default the column.

    Example:
        >>> from motet.tasks import Listwise, Rating
        >>> [task.name for task in (Rating("stars"), Listwise(Label("stars", name="order")))]
        ['stars', 'order']
    """

    def __init__(self, column: str, *, name: str | None = None) -> None:
        self.column = column
        self.name = column if name is None else name

    @classmethod
    def of(cls, label: str | Label) -> Label:
        """Make a label from the name of its column.

        Args:
            label: A column, or a label.

        Returns:
            The label.

        Raises:
            ConfigError: If it is neither.
        """
        check_types(str | Label, "name a column, such as label='rating'", label=label)
        return label if isinstance(label, Label) else cls(label)

    def config(self) -> dict[str, str]:
        """The constructor's arguments by name."""
        return {"column": self.column, "name": self.name}
