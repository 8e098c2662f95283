"""Ranking, the second stage: predict how many stars a user gives a film, on MovieLens 100K."""

from __future__ import annotations

import torch

import motet
from motet import EarlyStopping, FeatureTower, Model, Recommender, datasets, split, tasks

log = datasets.movielens("100k", item="title")
train, test = split.random(log, train=80_000, test=20_000, seed=42)

# Early stopping uses validation rows that belong to neither training nor test.
learn, validation = split.random(train, test=0.05, seed=42)

# Biases model generous users and popular films; the head models who likes what.
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

# The report shows RMSE and MAE next to those of always predicting the mean training rating.
print(motet.evaluate(model, test, train=train))

# A rating model ranks the items that it is given: here three films, best first.
films = ["Star Wars (1977)", "Titanic (1997)", "Mars Attacks! (1996)"]
recommender = Recommender(model, train)
print(recommender.recommend(42, k=3, only=films, exclude_seen=False))
