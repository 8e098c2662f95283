"""The model of TensorFlow Recommenders' multi-task tutorial, on towers that are passed in.

Source: https://www.tensorflow.org/recommenders/examples/multitask
"""

from __future__ import annotations

import tensorflow as tf
import tensorflow_recommenders as tfrs

Features = dict[str, tf.Tensor]


def string_tower(vocabulary: list[str], dim: int = 32) -> tf.keras.Model:
    """The tutorial's tower: a string id, its row, its vector; row 0 is for unknown ids."""
    lookup = tf.keras.layers.StringLookup(vocabulary=vocabulary, mask_token=None)
    return tf.keras.Sequential([lookup, tf.keras.layers.Embedding(len(vocabulary) + 1, dim)])


def row_tower(rows: int, dim: int = 32) -> tf.keras.Model:
    """A tower for ids that are rows already, which spares TensorFlow the lookup."""
    return tf.keras.Sequential([tf.keras.layers.Embedding(rows, dim)])


class TutorialModel(tfrs.Model):
    """Both tasks of the tutorial over two towers.

    Args:
        user: From `user_id` to a vector.
        movie: From `movie_title` to a vector.
        movies: Every candidate, for `FactorizedTopK`; none where only losses are wanted.
        rating_weight: What the rating loss counts for.
        retrieval_weight: What the retrieval loss counts for.
        train_metrics: Whether to compute the metrics on training batches too. The tutorial does.
    """

    def __init__(
        self,
        *,
        user: tf.keras.Model,
        movie: tf.keras.Model,
        movies: tf.data.Dataset | None = None,
        rating_weight: float = 1.0,
        retrieval_weight: float = 1.0,
        train_metrics: bool = True,
    ) -> None:
        super().__init__()
        self.user_model = user
        self.movie_model = movie
        hidden = [tf.keras.layers.Dense(width, activation="relu") for width in (256, 128)]
        self.rating_model = tf.keras.Sequential([*hidden, tf.keras.layers.Dense(1)])
        self.rating_task = tfrs.tasks.Ranking(
            loss=tf.keras.losses.MeanSquaredError(), metrics=[tf.keras.metrics.RootMeanSquaredError()]
        )
        self.retrieval_task = tfrs.tasks.Retrieval(
            metrics=movies and tfrs.metrics.FactorizedTopK(candidates=movies.batch(128).map(self.movie_model))
        )
        self.rating_weight = rating_weight
        self.retrieval_weight = retrieval_weight
        self.train_metrics = train_metrics

    def call(self, features: Features) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Vectors of both sides and the predicted rating."""
        user = self.user_model(features["user_id"])
        movie = self.movie_model(features["movie_title"])
        return user, movie, self.rating_model(tf.concat([user, movie], axis=1))

    def task_losses(self, features: Features, training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        """The rating loss (a mean over the batch) and the retrieval loss (a sum)."""
        metrics = self.train_metrics or not training
        user, movie, ratings = self(features)
        rating = self.rating_task(labels=features["user_rating"], predictions=ratings, compute_metrics=metrics)
        return rating, self.retrieval_task(user, movie, compute_metrics=metrics)

    def compute_loss(self, features: Features, training: bool = False) -> tf.Tensor:
        """The weighted sum that is trained."""
        rating, retrieval = self.task_losses(features, training)
        return self.rating_weight * rating + self.retrieval_weight * retrieval
