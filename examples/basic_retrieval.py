"""Retrieval, the first stage: find the films that a user may watch, from ids alone, on MovieLens 100K."""

from __future__ import annotations

import motet
from motet import FeatureTower, Model, Recommender, datasets, split, tasks

# Titles are the items, since some films of MovieLens 100K have several ids.
log = datasets.movielens("100k", item="title")
train, test = split.random(log, train=80_000, test=20_000, seed=42)

# `features=()` leaves out genres, age and so on: each tower is a plain embedding table.
model = Model(
    user=FeatureTower(log.users, dim=32, features=(), dropout=0.3),
    item=FeatureTower(log.items, dim=32, features=(), dropout=0.3),
    tasks=[tasks.Retrieval(item_bias=True)],
)
motet.fit(model, train, epochs=12, batch_size=4096, seed=42)

# The report shows hit rates next to those of recommending the most watched films to everyone.
print(motet.evaluate(model, test, train=train))

# The recommender embeds every film once and searches exactly; films seen in training are left out.
recommender = Recommender(model, train)
print(recommender.recommend(42, k=5))

recommender.save("model")
print(Recommender.load("model").similar_items("Star Wars (1977)", k=3))
