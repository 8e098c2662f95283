"""One model that predicts ratings, retrieves and recommends, on MovieLens 100K."""

from __future__ import annotations

import motet
from motet import FeatureTower, Model, Recommender, datasets, split, tasks

log = datasets.movielens("100k")
train, test = split.random(log, train=80_000, test=20_000, seed=42)

model = Model(
    user=FeatureTower(log.users, dim=32, dropout=0.2),
    item=FeatureTower(log.items, dim=32, dropout=0.2),
    tasks=[tasks.Rating("rating", hidden=(64,), biases=True, clip=(1, 5)), tasks.Retrieval()],
    weights={"rating": 1, "retrieval": 10},
)
history = motet.fit(model, train, epochs=15, batch_size=4096, seed=42)
print(history)

report = motet.evaluate(model, test, train=train)
print(report)

recommender = Recommender(model, train)
print(recommender.recommend(42, k=5))
print(recommender.predict(42, 97))
