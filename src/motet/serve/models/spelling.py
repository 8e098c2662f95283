"""Ids as clients write them and as the model has them: `"42"` and `42` are the same user."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from motet.data.vocab import Vocab


def spell(vocab: Vocab, id: str | int) -> str | int | None:
    """An id in the type of a vocabulary.

    Args:
        vocab: Of the users or the items.
        id: Text or a whole number.

    Returns:
        The same id, or None where the vocabulary cannot hold it.

    Example:
        >>> numbers = Vocab.build([7, 42], "user")
        >>> spell(numbers, "42"), spell(numbers, "042"), spell(numbers, "x")
        (42, None, None)
    """
    if vocab.ids.dtype == pl.String:
        return str(id)
    if isinstance(id, int):
        return id
    number = id.removeprefix("-")
    if not (number.isascii() and number.isdecimal() and len(number) < 20):
        return None
    value = int(id)
    return value if str(value) == id and -(2**63) <= value < 2**63 else None


def sort_out(vocab: Vocab, ids: Sequence[str | int]) -> tuple[list[str] | list[int], list[str | int]]:
    """The ids that a vocabulary has, and those it does not.

    Args:
        vocab: Of the users or the items.
        ids: In any spelling.

    Returns:
        Known ids as the vocabulary spells them, and unknown ones as they came.
    """
    if not ids:
        return [], []
    spelt = [spell(vocab, id) for id in ids]
    rows = vocab.encode(pl.Series(vocab.name, spelt, dtype=vocab.ids.dtype)).tolist()
    known = [id for id, row in zip(spelt, rows, strict=True) if row]
    return known, [id for id, row in zip(ids, rows, strict=True) if not row]  # type: ignore[return-value]


def name_users(vocab: Vocab, ids: Sequence[str | int]) -> list[str] | list[int]:
    """Users as a model may be asked about them, strangers included.

    Args:
        vocab: Of the users.
        ids: In any spelling.

    Returns:
        One id each: the vocabulary's own of a user it has, and of strangers one it does not have, equal for equal ids.
    """
    if vocab.ids.dtype == pl.String:
        return [str(id) for id in ids]
    known = {str(id) for id in sort_out(vocab, ids)[0]}
    strangers = sorted({str(id) for id in ids} - known)
    first, last = (int(vocab.ids[0]), int(vocab.ids[-1])) if len(vocab.ids) else (0, 0)
    # Numbers beyond the last known one; below the first where those would leave 64 bits.
    free = (
        range(last + 1, last + 1 + len(strangers)) if last < 2**62 else range(first - 1, first - 1 - len(strangers), -1)
    )
    named = dict(zip(strangers, free, strict=True))
    return [int(id) if str(id) in known else named[str(id)] for id in ids]
