"""Ranking, the second stage: how many stars would this person give that film? MovieLens 100K."""

from __future__ import annotations

import torch

import motet
from motet import EarlyStopping, FeatureTower, Model, Recommender, datasets, split, tasks

log = datasets.movielens("100k", item="title")
train, test = split.random(log, train=80_000, test=20_000, seed=42)

# When to stop is decided on rows that are neither trained on nor part of the test.
learn, validation = split.random(train, test=0.05, seed=42)

# Biases say that some people are generous and some films are liked; the head says who likes what.
model = Model(
    user=FeatureTower(log.users, dim=32, features=(), dropout=0.4),
    item=FeatureTower(log.items, dim=32, features=(), dropout=0.4),
    tasks=[tasks.Rating("rating", hidden=(64,), product=True, biases=True, clip=(1, 5))],
)
motet.fit(
    model,
    learn,
    epochs=25,
    batch_size=4096,
    optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=0.01, weight_decay=0.1),
    average=0.99,  # evaluate and keep a moving average of the weights
    validation=validation,
    early_stopping=EarlyStopping("rating/rmse", patience=4),
    seed=42,
)

# RMSE and MAE stand beside those of answering the mean of the training ratings.
print(motet.evaluate(model, test, train=train))

# A rater ranks what it is given: here three films, best first.
films = ["Star Wars (1977)", "Titanic (1997)", "Mars Attacks! (1996)"]
recommender = Recommender(model, train)
print(recommender.recommend(42, k=3, only=films, exclude_seen=False))
