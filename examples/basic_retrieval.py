"""Retrieval, the first stage: which of all films might this person watch? Ids alone, on MovieLens 100K."""

from __future__ import annotations

import motet
from motet import FeatureTower, Model, Recommender, datasets, split, tasks

# A title is an item: some films of MovieLens 100K stand under several ids.
log = datasets.movielens("100k", item="title")
train, test = split.random(log, train=80_000, test=20_000, seed=42)

# `features=()` leaves out genres, age and the rest: a plain table of vectors a side.
model = Model(
    user=FeatureTower(log.users, dim=32, features=(), dropout=0.3),
    item=FeatureTower(log.items, dim=32, features=(), dropout=0.3),
    tasks=[tasks.Retrieval(item_bias=True)],
)
motet.fit(model, train, epochs=12, batch_size=4096, seed=42)

# Hit rates stand beside those of recommending the most watched films to everybody.
print(motet.evaluate(model, test, train=train))

# The recommender embeds every film once and searches exactly; films seen in training are left out.
recommender = Recommender(model, train)
print(recommender.recommend(42, k=5))

recommender.save("model")
print(Recommender.load("model").similar_items("Star Wars (1977)", k=3))
