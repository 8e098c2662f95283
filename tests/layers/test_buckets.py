"""Numbers by the bucket they fall into."""

from __future__ import annotations

import torch

from motet.layers import BucketEmbedding

NAN = float("nan")


def test_buckets_hold_equally_many_training_values() -> None:
    values = torch.randn(1000, generator=torch.Generator().manual_seed(0)).exp()
    embedding = BucketEmbedding(4, 8)
    embedding.fit(values)
    assert torch.bincount(embedding.bucket(values)).tolist() == [0, *[125] * 8]
    assert (embedding.bucket(values.sort().values).diff() >= 0).all()


def test_equal_values_stay_together_and_the_unknown_apart() -> None:
    embedding = BucketEmbedding(4, 3)
    embedding.fit(torch.tensor([1.0, 1.0, 1.0, 1.0, 2.0, NAN]))
    assert embedding.bucket(torch.tensor([0.0, 1.0, 2.0, 9.0, NAN])).tolist() == [1, 1, 3, 3, 0]
    assert torch.equal(embedding(torch.tensor([NAN]))[0], embedding.embedding.weight[0])


def test_one_number_for_many_rows() -> None:
    """As a tower reads what is usual; torch warns of such a tensor where it is searched as it lies."""
    embedding = BucketEmbedding(4, 2)
    embedding.fit(torch.tensor([1.0, 2.0]))
    assert embedding.bucket(torch.tensor(2.0, dtype=torch.float64).expand(3)).tolist() == [2, 2, 2]


def test_the_first_training_rows_decide_and_are_saved() -> None:
    embedding, other = BucketEmbedding(4, 4), BucketEmbedding(4, 4)
    assert (embedding.bucket(torch.tensor([1.0, 5.0])) == 1).all()
    embedding.fit(torch.tensor([NAN]))
    embedding.fit(torch.arange(8), final=False)
    embedding.fit(torch.arange(80))
    embedding.fit(torch.arange(8))
    other.load_state_dict(embedding.state_dict())
    assert torch.equal(other(torch.arange(100)), embedding(torch.arange(100)))
    assert embedding.bucket(torch.tensor([0, 25, 45, 79])).tolist() == [1, 2, 3, 4]
