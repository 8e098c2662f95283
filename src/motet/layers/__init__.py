"""Neural network layers, independent of users and items."""

from __future__ import annotations

from motet.layers.buckets import BucketEmbedding
from motet.layers.combine import Combine
from motet.layers.cross import Cross
from motet.layers.embedding import BagEmbedding, Embedding
from motet.layers.experts import Experts, Gates, mix
from motet.layers.hashed import HashedEmbedding
from motet.layers.interactions import dot_interaction, factorisation_machine
from motet.layers.mlp import MLP, linear
from motet.layers.numbers import NumberEmbedding, Standardise
from motet.layers.timestamps import TimestampEmbedding

__all__ = [
    "MLP",
    "BagEmbedding",
    "BucketEmbedding",
    "Combine",
    "Cross",
    "Embedding",
    "Experts",
    "Gates",
    "HashedEmbedding",
    "NumberEmbedding",
    "Standardise",
    "TimestampEmbedding",
    "dot_interaction",
    "factorisation_machine",
    "linear",
    "mix",
]
