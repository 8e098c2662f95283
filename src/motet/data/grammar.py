"""Grammar: the small language of conditions on the columns of a row.

A condition compares columns, numbers and texts, and joins comparisons by `and`, `or` and `not`. Python's parser reads
it, and everything that is not in the language is refused. A condition is evaluated by `Expression`, never executed.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from keyword import iskeyword
from typing import Any, NoReturn
from unicodedata import normalize

from motet.errors import ConfigError

COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
LANGUAGE = (
    "columns, numbers and 'texts', compared by == != < <= > >= in, joined by and, or, not and brackets; a column whose "
    "name is no plain word goes in backticks: `event type` == 'buy'"
)
QUOTED = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`(?P<column>[^`]+)`""")  # a backtick in a text is text
LARGEST = 2**63  # no number in a column is larger


def parse(text: str) -> ast.expr:
    """Parse a condition, and check that it is in the language.

    Args:
        text: The condition.

    Returns:
        Its syntax tree: `and`, `or`, `not` and comparisons; names are columns.

    Raises:
        ConfigError: If the text is not in the language, or names no column.

    Example:
        >>> columns_of(parse("rating >= 4 and `event type` in ['buy', 'cart']"))
        ('rating', 'event type')
    """
    plain, quoted = _without_backticks(text)
    try:
        tree = ast.parse(plain.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(
            f"{text!r} cannot be read as a condition ({getattr(error, 'msg', error)}); it takes {LANGUAGE}"
        ) from error
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = quoted.get(node.id, node.id)
    _check(tree, text)
    if not columns_of(tree):
        raise ConfigError(f"{text!r} names no column, so it says nothing about a row; it takes {LANGUAGE}")
    return tree


def columns_of(node: ast.expr) -> tuple[str, ...]:
    """The columns that a condition, or a part of it, reads.

    Args:
        node: From `parse`.

    Returns:
        Column names, each once.
    """
    return tuple(dict.fromkeys(each.id for each in ast.walk(node) if isinstance(each, ast.Name)))


def constant(node: ast.expr) -> str | float | None:
    """The value of a text, or of a number of at most 64 bits.

    Args:
        node: From `parse`.

    Returns:
        The value; None if the node is anything else.
    """
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
            positive = constant(node.operand)
            return None if positive is None else -value
        case _:
            return None


def column_name(name: str) -> str:
    """Write a column as a condition names it: in backticks, unless its name is an identifier.

    Args:
        name: The name of the column.

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


def _check(node: ast.expr, text: str) -> None:
    """Refuse everything but comparisons joined by `and`, `or` and `not`."""
    match node:
        case ast.BoolOp(values=parts):
            for part in parts:
                _check(part, text)
        case ast.UnaryOp(op=ast.Not(), operand=part):
            _check(part, text)
        case ast.Compare(left=left, ops=[ast.In() | ast.NotIn()], comparators=[ast.List(elts) | ast.Tuple(elts)]):
            _check_values([*elts, left], text)
        case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in COMPARISONS for op in ops):
            _check_values([*others, left], text)
        case _:
            _refuse(node, text)


def _check_values(nodes: list[ast.expr], text: str) -> None:
    """Refuse everything but columns and constants."""
    for node in nodes:
        if not isinstance(node, ast.Name) and constant(node) is None:
            _refuse(node, text)


def _refuse(node: ast.expr, text: str) -> NoReturn:
    raise ConfigError(f"{ast.unparse(node)!r} in {text!r} is not allowed in a condition; it takes {LANGUAGE}")
