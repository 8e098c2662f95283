"""Expression: a condition on the columns of a row, in a small language that is parsed and never executed."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from keyword import iskeyword
from typing import Any
from unicodedata import normalize

import polars as pl
import torch
from jaxtyping import Bool
from torch import Tensor

from motet.data.batch import Batch
from motet.data.vocab import Vocab
from motet.errors import ConfigError, DataError, did_you_mean

COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
EQUALITY = (ast.Eq, ast.NotEq)
LANGUAGE = (
    "columns, numbers and 'texts', compared by == != < <= > >= in, joined by and, or, not and brackets; a column whose "
    "name is no plain word goes in backticks: `event type` == 'buy'"
)
QUOTED = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`(?P<column>[^`]+)`""")  # a backtick in a text is text
SHOWN = 10  # how many values of a column an error message lists
SEARCHED = 5_000  # how many values it searches for the one that was meant
LARGEST = 2**63  # no number in a column is larger


class Expression:
    """A condition that each row meets or not; a comparison with an unknown value is false.

    Args:
        text: Such as `"event == 'purchase'"`, `"rating >= 4 and device in ['tv', 'phone']"`. A column whose name is not
            an identifier, or is a keyword of Python, goes in backticks.

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
        plain, quoted = _without_backticks(text)
        try:
            self._tree = ast.parse(plain.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise ConfigError(
                f"{text!r} cannot be read as a condition ({getattr(error, 'msg', error)}); it takes {LANGUAGE}"
            ) from error
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Name):
                node.id = quoted.get(node.id, node.id)
        self._check(self._tree)
        names = [node.id for node in ast.walk(self._tree) if isinstance(node, ast.Name)]
        self.columns = tuple(dict.fromkeys(names))
        if not self.columns:
            raise ConfigError(f"{text!r} names no column, so it says nothing about a row; it takes {LANGUAGE}")

    def __call__(self, batch: Batch) -> Bool[Tensor, " batch"]:
        """Evaluate the condition on every row.

        Args:
            batch: Holds the columns.

        Returns:
            True where the condition holds.

        Raises:
            DataError: If a column is missing or holds several values per row, it is compared by `==`, `!=` or `in`
                with a value that never occurs in it, or two columns with different values are compared.
        """
        self._check_columns_of(batch)
        return self._holds(self._tree, batch)

    def may_hold(self, batch: Batch, silent: Mapping[str, Bool[Tensor, " batch"]]) -> Bool[Tensor, " batch"]:
        """Evaluate the condition on rows with unstated values, each of which could be anything.

        Args:
            batch: Holds the columns.
            silent: By column, the rows where its value is not stated.

        Returns:
            True where the condition holds, or would hold for some value of what is not stated.

        Raises:
            DataError: As when the condition is evaluated.

        Example:
            >>> batch = Batch({"user_id": torch.tensor([1, 1]), "stars": torch.tensor([2.0, torch.nan])})
            >>> Expression("stars >= 4").may_hold(batch, {"stars": torch.tensor([False, True])})
            tensor([False,  True])
        """
        self._check_columns_of(batch)
        return self._may(self._tree, batch, silent, wanted=True)

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

    def _check(self, node: ast.expr) -> None:
        match node:
            case ast.BoolOp(values=parts):
                for part in parts:
                    self._check(part)
            case ast.UnaryOp(op=ast.Not(), operand=part):
                self._check(part)
            case ast.Compare(left=left, ops=ops, comparators=others):
                for op, value in zip(ops, others, strict=True):
                    listed = isinstance(op, ast.In | ast.NotIn)
                    if type(op) not in COMPARE and not listed:
                        self._refuse(node)
                    values = value.elts if listed and isinstance(value, ast.List | ast.Tuple) else [value]
                    if listed and (len(ops) > 1 or not isinstance(value, ast.List | ast.Tuple)):
                        self._refuse(node)
                    for each in values:
                        self._check_value(each)
                self._check_value(left)
            case _:
                self._refuse(node)

    def _check_value(self, node: ast.expr) -> None:
        if not isinstance(node, ast.Name) and _constant(node) is None:
            self._refuse(node)

    def _refuse(self, node: ast.expr) -> None:
        raise ConfigError(f"{ast.unparse(node)!r} in {self.text!r} is not allowed in a condition; it takes {LANGUAGE}")

    def _holds(self, node: ast.expr, batch: Batch) -> Tensor:
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
            case _:  # the constructor lets nothing else through
                raise AssertionError(ast.dump(node))

    def _may(self, node: ast.expr, batch: Batch, silent: Mapping[str, Tensor], *, wanted: bool) -> Tensor:
        """Rows in which a part of the condition may hold, or may not hold where that is wanted."""
        match node:
            case ast.BoolOp(op=joint, values=parts):
                every = torch.stack([self._may(part, batch, silent, wanted=wanted) for part in parts])
                return every.all(0) if isinstance(joint, ast.And) == wanted else every.any(0)
            case ast.UnaryOp(operand=part):
                return self._may(part, batch, silent, wanted=not wanted)
            case _:
                held = self._holds(node, batch)
                named = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
                unstated = [silent[name] for name in silent if name in named]
                return torch.stack([held if wanted else ~held, *unstated]).any(0)

    def _compared(self, left: ast.expr, op: ast.cmpop, right: ast.expr, batch: Batch) -> Tensor:
        """Rows where both sides are known and the comparison holds."""
        if isinstance(op, ast.In | ast.NotIn):
            assert isinstance(right, ast.List | ast.Tuple)
            found = [self._compared(left, ast.Eq(), each, batch) for each in right.elts]
            nothing = torch.zeros(len(batch), dtype=torch.bool, device=batch.users.device)
            held = torch.stack([nothing, *found]).any(0)
            return ~held & self._known(left, batch) if isinstance(op, ast.NotIn) else held
        held = COMPARE[type(op)](self._value(left, op, right, batch), self._value(right, op, left, batch))
        return torch.as_tensor(held) & self._known(left, batch) & self._known(right, batch)

    def _value(self, node: ast.expr, op: ast.cmpop, other: ast.expr, batch: Batch) -> Tensor | float:
        """A column, or a constant; compared with a column that has a vocabulary, the constant's row in it."""
        if isinstance(node, ast.Name):
            if isinstance(other, ast.Name):
                self._check_columns(batch, node, other)
            return batch[node.id]
        value = _constant(node)
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
        """Refuse to compare rows of a vocabulary with numbers, or with rows of another vocabulary."""
        own, others = batch.vocabs.get(column.id), batch.vocabs.get(other.id)
        if own is not others and (own is None or others is None or not own.ids.equals(others.ids)):
            raise DataError(
                f"condition {self.text!r} compares column {column.id!r} with column {other.id!r}, which have "
                "different values; compare each of them with a constant"
            )

    def _row(self, value: str | float | None, op: ast.cmpop, vocab: Vocab, column: ast.expr) -> Tensor | float:
        """The row of a constant; for < and >, a place between two rows if no row has its value."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if value not in vocab:
            if value is not None and not isinstance(op, EQUALITY) and isinstance(value, str) == vocab.is_text:
                return torch.tensor(vocab.below(value) + 0.5, dtype=torch.float64)  # float32 would round large rows
            listed = ", ".join(map(repr, vocab.ids.head(SHOWN))) + (", ..." if len(vocab.ids) > SHOWN else "")
            raise DataError(
                f"condition {self.text!r} compares {ast.unparse(column)!r} with {value!r}, which it never is"
                f"{did_you_mean(value, vocab.ids.head(SEARCHED))} Values found: {listed}."
            )
        return int(vocab.encode(pl.Series([value]))[0])

    def _known(self, node: ast.expr, batch: Batch) -> Tensor:
        if not isinstance(node, ast.Name):
            return torch.ones(len(batch), dtype=torch.bool, device=batch.users.device)
        column = batch[node.id]
        return (
            column > 0
            if node.id in batch.vocabs
            else ~column.isnan()
            if column.is_floating_point()
            else column == column
        )


def column_name(name: str) -> str:
    """A column as a condition names it: in backticks, unless its name is an identifier.

    Args:
        name: Its name.

    Returns:
        The text to write in a condition.

    Example:
        >>> column_name("rating"), column_name("event type"), column_name("return")
        ('rating', '`event type`', '`return`')
    """
    plain = name.isidentifier() and not iskeyword(name) and normalize("NFKC", name) == name  # the parser normalises
    return name if plain else f"`{name}`"


def _without_backticks(text: str) -> tuple[str, dict[str, str]]:
    """The text with an identifier in place of every name in backticks, and these names by identifier."""
    names: dict[str, str] = {}

    def stand_in(found: re.Match[str]) -> str:
        column = found["column"]
        if column is None:
            return found[0]
        word = f"column_{len(names)}"
        while word in text:
            word += "_"
        names[word] = column
        return f" {word} "

    return QUOTED.sub(stand_in, text), names


def _constant(node: ast.expr) -> str | float | None:
    """The value of a text or of a number of at most 64 bits; None for anything else."""
    match node:
        case ast.Constant(value=bool(value)):
            return float(value)
        case ast.Constant(value=int(value)) if value >= LARGEST:
            return None
        case ast.Constant(value=str() | int() | float() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)) if not isinstance(
            value, bool
        ):
            positive = _constant(node.operand)
            return None if positive is None else -value
        case _:
            return None
