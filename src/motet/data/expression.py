"""Expression: a condition that is evaluated on the rows of a batch.

`grammar` defines the language. A comparison with an unknown value is false, and a value that a request does not state
may be anything (`may_hold`). Categorical columns hold row numbers of a vocabulary, so constants are looked up there.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

import polars as pl
import torch
from jaxtyping import Bool
from torch import Tensor

from motet.data.batch import Batch
from motet.data.grammar import COMPARISONS, columns_of, constant, parse
from motet.data.vocab import Vocab
from motet.errors import DataError, did_you_mean

EQUALITY = (ast.Eq, ast.NotEq)
SHOWN = 10  # values of a column that an error message lists
SEARCHED = 5_000  # values that it searches for a similar one


class Expression:
    """A condition that each row meets or not; a comparison with an unknown value is false.

    Args:
        text: The condition, such as `"event == 'purchase'"` or `"rating >= 4 and device in ['tv', 'phone']"`. A column
            whose name is not an identifier, or is a keyword of Python, goes in backticks.

    Raises:
        ConfigError: If the text is not in the language.

    Attributes:
        text: The condition as written.
        columns: The columns it reads, in order of first use.

    Example:
        >>> ratings = torch.tensor([5.0, 2.0, float("nan")])
        >>> batch = Batch({"user_id": torch.tensor([1, 1, 2]), "rating": ratings})
        >>> Expression("rating >= 4 or rating == 2")(batch)
        tensor([ True,  True, False])
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._tree = parse(text)
        self.columns = columns_of(self._tree)

    def __call__(self, batch: Batch) -> Bool[Tensor, " batch"]:
        """Evaluate the condition on every row.

        Args:
            batch: Rows with the columns.

        Returns:
            True where the condition holds.

        Raises:
            DataError: If a column is missing or holds several values per row, it is compared by `==`, `!=` or `in`
                with a value that never occurs in it, or two columns with different values are compared.
        """
        self._check_columns_of(batch)
        return self._holds(self._tree, batch)

    def may_hold(self, batch: Batch, unstated: Mapping[str, Bool[Tensor, " batch"]]) -> Bool[Tensor, " batch"]:
        """Evaluate the condition on rows with values that are not stated and could be anything.

        Args:
            batch: Rows with the columns.
            unstated: By column, the rows where the value is not stated.

        Returns:
            True where the condition holds, or would hold for some value in place of those that are not stated.

        Raises:
            DataError: As when the condition is evaluated.

        Example:
            >>> batch = Batch({"user_id": torch.tensor([1, 1]), "stars": torch.tensor([2.0, torch.nan])})
            >>> Expression("stars >= 4").may_hold(batch, {"stars": torch.tensor([False, True])})
            tensor([False,  True])
        """
        self._check_columns_of(batch)
        return self._may_be(True, self._tree, batch, unstated)

    def _check_columns_of(self, batch: Batch) -> None:
        for column in self.columns:
            if column not in batch:
                raise DataError(
                    f"condition {self.text!r} reads column {column!r}, which is not in the log"
                    f"{did_you_mean(column, batch.columns)} Columns: {', '.join(batch.columns)}."
                )
            if batch[column].ndim != 1:
                raise DataError(
                    f"condition {self.text!r} reads column {column!r}, which holds {batch[column].shape[1]} values a "
                    "row; a condition compares columns of one value per row"
                )

    def _holds(self, node: ast.expr, batch: Batch) -> Tensor:
        """Rows where a part of the condition holds."""
        match node:
            case ast.BoolOp(op=joint, values=parts):
                every = torch.stack([self._holds(part, batch) for part in parts])
                return every.all(0) if isinstance(joint, ast.And) else every.any(0)
            case ast.UnaryOp(operand=part):
                return ~self._holds(part, batch)
            case ast.Compare(left=left, ops=ops, comparators=others):
                held = torch.ones(len(batch), dtype=torch.bool, device=batch.users.device)
                for op, other in zip(ops, others, strict=True):
                    held &= self._compared(left, op, other, batch)
                    left = other
                return held
            case _:  # the grammar has nothing else
                raise AssertionError(ast.dump(node))

    def _may_be(self, wanted: bool, node: ast.expr, batch: Batch, unstated: Mapping[str, Tensor]) -> Tensor:
        """Rows for which some values in place of the unstated ones make a part of the condition true, or false."""
        match node:
            case ast.BoolOp(op=joint, values=parts):
                every = torch.stack([self._may_be(wanted, part, batch, unstated) for part in parts])
                return every.all(0) if isinstance(joint, ast.And) == wanted else every.any(0)
            case ast.UnaryOp(operand=part):
                return self._may_be(not wanted, part, batch, unstated)
            case _:
                held = self._holds(node, batch)
                anything = [unstated[name] for name in columns_of(node) if name in unstated]
                return torch.stack([held if wanted else ~held, *anything]).any(0)

    def _compared(self, left: ast.expr, op: ast.cmpop, right: ast.expr, batch: Batch) -> Tensor:
        """Rows where both sides are known and the comparison holds."""
        if isinstance(op, ast.In | ast.NotIn):
            assert isinstance(right, ast.List | ast.Tuple)
            found = [self._compared(left, ast.Eq(), each, batch) for each in right.elts]
            nothing = torch.zeros(len(batch), dtype=torch.bool, device=batch.users.device)
            held = torch.stack([nothing, *found]).any(0)
            return ~held & self._known(left, batch) if isinstance(op, ast.NotIn) else held
        held = COMPARISONS[type(op)](self._value(left, op, right, batch), self._value(right, op, left, batch))
        return torch.as_tensor(held) & self._known(left, batch) & self._known(right, batch)

    def _value(self, node: ast.expr, op: ast.cmpop, other: ast.expr, batch: Batch) -> Tensor | float:
        """The column or the constant to compare; if the other side has a vocabulary, the constant's row in it."""
        if isinstance(node, ast.Name):
            if isinstance(other, ast.Name):
                self._check_columns(batch, node, other)
            return batch[node.id]
        value = constant(node)
        vocab = batch.vocabs.get(other.id) if isinstance(other, ast.Name) else None
        if vocab is not None:
            return self._row(value, op, vocab, other)
        if isinstance(value, str):
            raise DataError(
                f"condition {self.text!r} compares the text {value!r} with {ast.unparse(other)!r}, which holds "
                "numbers; compare it with a number"
            )
        assert value is not None
        if type(value) is float and isinstance(other, ast.Name) and not batch[other.id].is_floating_point():
            return torch.tensor(value, dtype=torch.float64)  # a plain float would round times to float32, by a minute
        return value

    def _check_columns(self, batch: Batch, column: ast.Name, other: ast.Name) -> None:
        """Refuse to compare two columns of different vocabularies, or a categorical column with a numeric one."""
        own, others = batch.vocabs.get(column.id), batch.vocabs.get(other.id)
        if own is not others and (own is None or others is None or not own.ids.equals(others.ids)):
            raise DataError(
                f"condition {self.text!r} compares column {column.id!r} with column {other.id!r}, which have "
                "different values; compare each of them with a constant"
            )

    def _row(self, value: str | float | None, op: ast.cmpop, vocab: Vocab, column: ast.expr) -> Tensor | float:
        """The row of a constant in a vocabulary; for < and >, a number between two rows if it is not there."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if value not in vocab:
            if value is not None and not isinstance(op, EQUALITY) and isinstance(value, str) == vocab.is_text:
                return torch.tensor(vocab.below(value) + 0.5, dtype=torch.float64)  # float32 would round large rows
            listed = ", ".join(map(repr, vocab.ids.head(SHOWN))) + (", ..." if len(vocab.ids) > SHOWN else "")
            quoted = isinstance(value, str) and not vocab.is_text
            hint = "; it holds whole numbers: leave the quotes out." if quoted else None
            raise DataError(
                f"condition {self.text!r} compares {ast.unparse(column)!r} with {value!r}, which it never is"
                f"{hint or did_you_mean(value, vocab.ids.head(SEARCHED))} Values found: {listed}."
            )
        return int(vocab.encode(pl.Series([value]))[0])

    def _known(self, node: ast.expr, batch: Batch) -> Tensor:
        """Rows where the value of a column is known; every row for a constant."""
        if isinstance(node, ast.Name) and node.id in batch.vocabs:
            return batch[node.id] > 0
        if isinstance(node, ast.Name) and batch[node.id].is_floating_point():
            return ~batch[node.id].isnan()
        return torch.ones(len(batch), dtype=torch.bool, device=batch.users.device)
