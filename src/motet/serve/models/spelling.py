"""Convert ids from requests to the type of the model's ids: `"42"` and `42` are the same user."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from motet.data.vocab import Vocab


def spell(vocab: Vocab, id: str | int) -> str | int | None:
    """Convert an id to the type of a vocabulary.

    Args:
        vocab: Vocabulary of the users or the items.
        id: Text or an integer.

    Returns:
        The same id, or None if the vocabulary cannot contain it.

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
    """Separate known ids from unknown ones.

    Args:
        vocab: Vocabulary of the users or the items.
        ids: Ids as text or integers.

    Returns:
        Known ids in the type of the vocabulary, and unknown ids as they were given.
    """
    if not ids:
        return [], []
    spelt = [spell(vocab, id) for id in ids]
    rows = vocab.encode(pl.Series(vocab.name, spelt, dtype=vocab.ids.dtype)).tolist()
    known = [id for id, row in zip(spelt, rows, strict=True) if row]
    return known, [id for id, row in zip(ids, rows, strict=True) if not row]  # type: ignore[return-value]


def name_users(vocab: Vocab, ids: Sequence[str | int]) -> list[str] | list[int]:
    """Ids under which a model can be asked about users, including unknown ones.

    Args:
        vocab: Vocabulary of the users.
        ids: Ids as text or integers.

    Returns:
        One id per user in the type of the vocabulary; unknown users get ids that it does not contain, equal for equal
        users.
    """
    if vocab.ids.dtype == pl.String:
        return [str(id) for id in ids]
    known = {str(id) for id in sort_out(vocab, ids)[0]}
    strangers = sorted({str(id) for id in ids} - known)
    first, last = (int(vocab.ids[0]), int(vocab.ids[-1])) if len(vocab.ids) else (0, 0)
    # Numbers above the last known one, or below the first if those would not fit into 64 bits.
    free = (
        range(last + 1, last + 1 + len(strangers)) if last < 2**62 else range(first - 1, first - 1 - len(strangers), -1)
    )
    named = dict(zip(strangers, free, strict=True))
    return [int(id) if str(id) in known else named[str(id)] for id in ids]
