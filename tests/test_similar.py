"""Similar: the nearest by cosine, never the entity itself."""

from __future__ import annotations

import polars as pl
import pytest
import torch

from motet.data.entities import Entities
from motet.data.vocab import Vocab
from motet.errors import ConfigError, DataError
from motet.similar import Similar

IDS = [f"film {number}" for number in range(12)]


@pytest.fixture
def films() -> Entities:
    return Entities("film", Vocab.build(pl.Series(IDS), "film"))


@pytest.fixture
def vectors() -> torch.Tensor:
    return torch.randn(len(IDS), 5, generator=torch.Generator().manual_seed(0))


def test_the_nearest_by_cosine(films: Entities, vectors: torch.Tensor) -> None:
    known = films.vocab.ids.to_list()
    top = Similar(films, vectors, side="item").to(known, len(IDS) - 1)
    cosines = torch.nn.functional.cosine_similarity(vectors[:, None], vectors, dim=-1)
    for row, (ids, scores) in enumerate(zip(top.ids.tolist(), top.scores, strict=True)):
        wanted = sorted((each for each in range(len(IDS)) if each != row), key=lambda each: -cosines[row, each])
        assert ids == [known[each] for each in wanted]
        torch.testing.assert_close(scores, cosines[row, wanted])


def test_lengths_of_vectors_change_nothing(films: Entities, vectors: torch.Tensor) -> None:
    longer = vectors * torch.arange(1, len(IDS) + 1)[:, None]
    once, again = (Similar(films, each, side="item").to(IDS, 4) for each in (vectors, longer))
    assert once.ids.tolist() == again.ids.tolist()
    torch.testing.assert_close(once.scores, again.scores)


def test_one_id_gives_one_line_of_the_answer_for_many(films: Entities, vectors: torch.Tensor) -> None:
    similar = Similar(films, vectors, side="item")
    many = similar.to(["film 3", "film 10", "film 3"], 4)
    for line, film in enumerate(["film 3", "film 10", "film 3"]):
        one = similar.to(film, 4)
        assert one.ids.tolist() == many.ids[line].tolist()
        torch.testing.assert_close(one.scores, many.scores[line])  # products of another shape may round differently


def test_refuses(films: Entities, vectors: torch.Tensor) -> None:
    similar = Similar(films, vectors, side="item")
    with pytest.raises(DataError, match="film 99"):
        similar.to(["film 1", "film 99"], 2)
    for k in (0, len(IDS)):
        with pytest.raises(
            ConfigError, match=f"k={k}; it must be at least 1 and at most 11, the number of other items"
        ):
            similar.to("film 1", k)
    alone = Entities("film", Vocab.build(["film 1"], "film"))
    with pytest.raises(ConfigError, match="k=1; there are no other items to find"):
        Similar(alone, vectors[:1], side="item").to("film 1", 1)
