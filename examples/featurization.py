"""From raw columns to vectors: every kind of feature, a tower, and the vectors of unknown ids."""

from __future__ import annotations

import polars as pl
import torch

from motet import Batch, Categorical, EventLog, FeatureTower, MultiValued, Numeric, Schema, Text, Timestamp
from motet.data.entities import Bag

events = pl.DataFrame(
    {
        "user_id": ["ada", "ada", "bob", "eve"],
        "movie_id": [10, 11, 10, 12],
        "rating": [5.0, 3.0, None, 4.0],
    }
)
users = pl.DataFrame({"user_id": ["ada", "bob", "eve"], "country": ["at", "ch", None], "age": [36, None, 51]})
movies = pl.DataFrame(
    {
        "movie_id": [10, 11, 12, 13],
        "title": ["The Third Man", "The Man Who Wasn't There", "Amélie", "Metropolis"],
        "genres": ["noir|thriller", "noir", "comedy", "sci-fi"],
        "released": ["1949-09-02", "2001-10-26", "2001-04-25", "1927-01-10"],
    }
)

log = EventLog.read(
    events,
    Schema(
        item="movie_id",
        signals=("rating",),
        user_features={"country": Categorical(), "age": Numeric()},
        item_features={"title": Text(), "genres": MultiValued("|"), "released": Timestamp()},
    ),
    users=users,
    items=movies,
)
print(log)

genres = log.items.features["genres"]
assert isinstance(genres, Bag)
print("genres:", genres.vocab.ids.to_list())

tower = FeatureTower(log.items, dim=8, hidden=(16,))
tower.prepare(log)  # standardises numbers with the entities of the training rows
known = log.items.vocab.encode([12, 13])  # 13 has no events, but it has features
unknown = log.items.vocab.encode([99])
vectors = tower(Batch({"movie_id": torch.cat([known, unknown])}, item_key="movie_id"))
print("vectors of 12, 13 and an unknown item:", tuple(vectors.shape))
