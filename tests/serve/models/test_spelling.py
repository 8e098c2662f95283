"""Ids in every spelling."""

from __future__ import annotations

import pytest

from motet.data.vocab import Vocab
from motet.serve.models.spelling import name_users, sort_out, spell

NUMBERS, TEXTS = Vocab.build([-5, 7, 42], "user"), Vocab.build(["42", "b"], "user")


@pytest.mark.parametrize("id", ["", "-", "+7", "07", "7.0", " 7", "\u0667", "9" * 30, str(2**63), "-0", "seven"])
def test_text_that_spells_no_number(id: str) -> None:
    assert spell(NUMBERS, id) is None


def test_text_that_spells_one() -> None:
    assert [spell(NUMBERS, id) for id in ("7", "-5", str(2**63 - 1), 3)] == [7, -5, 2**63 - 1, 3]
    assert [spell(TEXTS, id) for id in ("7", 42)] == ["7", "42"]


def test_known_and_unknown() -> None:
    assert sort_out(NUMBERS, ["7", 8, "x", 42]) == ([7, 42], [8, "x"])
    assert sort_out(TEXTS, [42, "c"]) == (["42"], ["c"])
    assert sort_out(NUMBERS, []) == ([], [])


@pytest.mark.parametrize("last", [42, 2**63 - 1])
def test_strangers_are_told_apart_from_everybody(last: int) -> None:
    vocab = Vocab.build([-5, 7, last], "user")
    asked = ["7", "x", 7, "y", "x", 43, "043", last]
    named = name_users(vocab, asked)
    assert (named[0], named[2], named[7]) == (7, 7, last)
    assert named[1] == named[4]
    strangers = {named[1], named[3], named[5], named[6]}
    assert len(strangers) == 4
    assert not vocab.encode(sorted(strangers)).any()
