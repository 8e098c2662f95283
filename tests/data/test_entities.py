from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from motet.data.entities import Entities
from motet.data.vocab import Vocab


def test_length_counts_the_unknown() -> None:
    entities = Entities("item", Vocab.build(["a", "b"], "item"))
    assert len(entities) == 3
    assert dict(entities.features) == {}


def test_entities_do_not_change() -> None:
    entities = Entities("item", Vocab.build(["a"], "item"))
    with pytest.raises(FrozenInstanceError):
        entities.key = "user"  # type: ignore[misc]
