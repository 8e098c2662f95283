"""Predict the next film from the sequence of the last ones: a sequence tower and popularity, on MovieLens 100K.

The latest ratings are the test. Most come from users who are not in training: their recent ratings are all that is
known of them, and all that the tower reads.
"""

from __future__ import annotations

import torch

import motet
from motet import FeatureTower, Model, Recommender, datasets, split, tasks
from motet.data.recent import recent
from motet.towers import SequenceTower

LENGTH = 15

log = datasets.movielens("100k")
log = log.take(log.columns["timestamp"].argsort(stable=True)[-40_000:])  # a subset, to train in seconds
train, test = split.by_time(log, test=4_000)
train = recent(train, LENGTH)
test = recent(test, LENGTH, before=train)  # each row sees the earlier rows of both logs
torch.manual_seed(42)
item = FeatureTower(log.items, dim=32, features=())
model = Model(
    user=SequenceTower(log.users, item.ids, length=LENGTH, dim=32, encoder="gru", dropout=0.2),
    item=item,
    tasks=[tasks.Retrieval(pool=tasks.Catalogue(), item_bias=True)],
)
motet.fit(model, train, epochs=4, batch_size=1024, seed=42, progress=False)

report = motet.evaluate(model, test, train=train)
print(report)

recommender = Recommender(model, train)  # reads each user's history at the end of the training log
(user,) = log.users.vocab.decode(train.columns["user_id"][-1:])
print(f"for user {user}, the last one in training:")
print(recommender.recommend(user, k=5))
