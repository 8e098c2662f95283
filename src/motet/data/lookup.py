"""Lookup: turns the ids, conditions and numbers of a call into rows, and reports what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from jaxtyping import Int
from torch import Tensor

from motet.arguments import checked
from motet.data.entities import Entities
from motet.errors import ConfigError, DataError, did_you_mean

Ids = str | int | np.generic | Sequence[str | int | np.generic] | npt.NDArray[Any] | pl.Series | Tensor
Chosen = Ids | pl.Expr
COMPARED = 5_000  # known ids that a misspelt one is compared with letter by letter, which takes about 0.1 s


def listed(ids: Ids) -> tuple[list[str] | list[int], bool]:
    """Convert ids to a list, and tell whether the caller passed a single id.

    Args:
        ids: One id or many.

    Returns:
        The list, and whether it holds a single id that was passed on its own.

    Raises:
        DataError: If `ids` is neither an id nor a collection of them.

    Example:
        >>> listed("a"), listed(["a", "b"])
        ((['a'], True), (['a', 'b'], False))
    """
    if isinstance(ids, str | int):
        return [ids], True  # type: ignore[return-value]
    if isinstance(ids, np.generic | np.ndarray | Tensor):
        many: Any = ids.tolist()
        return ([many], True) if ids.ndim == 0 else (many, False)
    if not isinstance(ids, Iterable):
        raise DataError(f"{ids!r} is not an id; ids are text or whole numbers: pass one, or a list of them")
    plain: Any = [id.item() if isinstance(id, np.generic) else id for id in ids]
    return plain, False


def paired(users: Ids, items: Ids) -> tuple[list[str] | list[int], list[str] | list[int], bool]:
    """Convert the users and items of pairs to lists.

    Args:
        users: One id or many.
        items: One id or many. A single id is paired with each id of the other side, many are paired in order.

    Returns:
        The users, the items, and whether both are a single id that was passed on its own.

    Raises:
        ConfigError: If there are many users and a different number of items.
        DataError: If either is neither an id nor a collection of them.
    """
    (user_ids, one_user), (item_ids, one_item) = listed(users), listed(items)
    if not (one_user or one_item) and len(user_ids) != len(item_ids):
        raise ConfigError(
            f"{len(user_ids)} users and {len(item_ids)} items make no pairs; give as many of both, or one of either"
        )
    return user_ids, item_ids, one_user and one_item


def known_rows(entities: Entities, ids: Sequence[str] | Sequence[int], side: str) -> Int[Tensor, " n"]:
    """Look up the rows of ids that must all be known.

    Args:
        entities: The users or the items.
        ids: In any order, repeated or not.
        side: `"user"` or `"item"`, for the error message.

    Returns:
        One row per id.

    Raises:
        DataError: If an id is unknown; the message names the first three, and a similar id for the first.
    """
    rows = entities.vocab.encode(ids)
    unknown = [ids[position] for position in (rows == 0).nonzero()[:, 0].tolist()]
    if unknown:
        names = ", ".join(repr(id) for id in unknown[:3])
        more = f" and {len(unknown) - 3:,} more" if len(unknown) > 3 else ""
        number = f"{side} {names} is" if len(unknown) == 1 else f"{side}s {names}{more} are"
        raise DataError(f"{number} not among the {len(entities) - 1:,} known {side}s{_hint(unknown[0], entities)}")
    return rows


def chosen_rows(entities: Entities, chosen: Chosen, side: str) -> Int[Tensor, " n"]:
    """Look up the rows of ids, or those that meet a condition on the table of users or items.

    Args:
        entities: The users or the items.
        chosen: Known ids, or a Polars expression that is true or false for each row of the table; where it is null,
            the row is not chosen.
        side: `"user"` or `"item"`, for the error message.

    Returns:
        One row per id, or the rows that meet the condition, in ascending order.

    Raises:
        DataError: If an id is unknown, or the condition names a column that the table does not have, compares a column
            with a value of another type, or is not true or false.

    Example:
        >>> from motet.data.vocab import Vocab
        >>> films = pl.DataFrame({"film": ["a", "b", "c"], "year": [1980, 1990, None]})
        >>> entities = Entities("film", Vocab.build(films["film"], "film"), table=films)
        >>> chosen_rows(entities, pl.col("year") > 1985, "item"), chosen_rows(entities, ["c", "a"], "item")
        (tensor([2]), tensor([3, 1]))
    """
    if not isinstance(chosen, pl.Expr):
        return known_rows(entities, listed(chosen)[0], side)
    table, name = entities.table, "".join(["chosen", *entities.table.columns])  # a name that no column has
    try:
        mask = table.with_columns(chosen.alias(name))[name]
    except pl.exceptions.PolarsError as error:
        why = str(error).splitlines()[0].partition("; valid columns")[0]
        raise DataError(
            f"the condition {chosen} does not fit the table of {side}s: {why}. Columns: {', '.join(table.columns)}."
        ) from error
    if mask.dtype != pl.Boolean:
        raise DataError(f"the condition {chosen} gives {mask.dtype}, not true or false; compare it with a value")
    return mask.fill_null(False).arg_true().cast(pl.Int64).to_torch() + 1


@checked
def check_k(k: int, most: int, things: str) -> None:
    """Check the number of items or users that a caller wants.

    Args:
        k: The number.
        most: The number of items or users that exist.
        things: What they are, for the error message.

    Raises:
        ConfigError: If k is below 1 or above `most`, or there are none.
    """
    if not most:
        raise ConfigError(f"k={k!r}; there are no {things} to find")
    if not 1 <= k <= most:
        raise ConfigError(f"k={k!r}; it must be at least 1 and at most {most:,}, the number of {things}")


def _hint(wrong: str | int, entities: Entities) -> str:
    """A similar id if ids are text; their range if they are numbers."""
    known = entities.vocab.ids
    if not isinstance(wrong, str):
        return f"; their ids lie between {known[0]} and {known[-1]}" if len(known) and wrong is not None else "."
    folded = wrong.casefold()
    inside = known.filter(known.str.to_lowercase().str.contains(folded, literal=True))
    if folded and len(inside):
        return f"; did you mean {min(inside.to_list(), key=len)!r}?"
    alike = known.filter(known.str.head(1).str.to_lowercase() == folded[:1]).head(COMPARED)
    return did_you_mean(wrong, alike.to_list())
