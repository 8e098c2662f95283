"""TFRS's side of the comparison; run by an interpreter that has TensorFlow and not motet."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs
from benchmarks.measure import MODELS, command, median_seconds, peak_mb, seconds
from benchmarks.tfrs.tfrs_model import TutorialModel, row_tower, string_tower


def ratings(inputs: dict[str, np.ndarray], part: str) -> tf.data.Dataset:
    """One part of the split, a row an element, as the tutorial reads it."""
    names = ("user_id", "movie_title", "user_rating")
    return tf.data.Dataset.from_tensor_slices({name: inputs[f"{part}_{name}"] for name in names})


def build(inputs: dict[str, np.ndarray], **settings: Any) -> TutorialModel:
    """The tutorial's model over the shared vocabularies, ready to be trained."""
    model = TutorialModel(user=string_tower(inputs["users"]), movie=string_tower(inputs["titles"]), **settings)
    model.compile(optimizer=tf.keras.optimizers.Adagrad(0.1))
    return model


def parity(folder: Path) -> dict[str, Any]:
    """Both losses of every step of three epochs, from the shared weights on the shared batches."""
    inputs = dict(np.load(folder / "movielens.npz"))
    weights = dict(np.load(folder / "weights.npz"))
    model = build(inputs, train_metrics=False)
    batches = ratings(inputs, "train").batch(8192).cache()
    model(next(iter(batches)))
    model.user_model.set_weights([weights["user"]])
    model.movie_model.set_weights([weights["item"]])
    model.rating_model.set_weights([weights[f"{kind}{layer}"] for layer in range(3) for kind in ("kernel", "bias")])

    @tf.function
    def step(features: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            losses = model.task_losses(features, training=True)
            total = tf.add_n(losses)
        gradients = tape.gradient(total, model.trainable_variables)
        model.optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return losses

    steps = [[float(loss) for loss in step(batch)] for _ in range(3) for batch in batches]
    rating, retrieval = zip(*steps, strict=True)
    return {"rating": rating, "retrieval": retrieval}


def tutorial(folder: Path, *, train_metrics: bool = True) -> dict[str, Any]:
    """The three models of the tutorial: fit and evaluate, as the tutorial does both."""
    inputs = dict(np.load(folder / "movielens.npz"))
    movies = tf.data.Dataset.from_tensor_slices(inputs["movies"])
    train = ratings(inputs, "train").shuffle(100_000).batch(8192).cache()
    test = ratings(inputs, "test").batch(4096).cache()
    times: dict[str, float] = {}
    metrics = {}
    for name, (rating, retrieval) in MODELS.items():
        with seconds(times, "fit"):
            model = build(
                inputs, movies=movies, rating_weight=rating, retrieval_weight=retrieval, train_metrics=train_metrics
            )
            model.fit(train, epochs=3, verbose=0)
        with seconds(times, "evaluate"):
            result = model.evaluate(test, return_dict=True, verbose=0)
        metrics[name] = {
            "RMSE": result["root_mean_squared_error"],
            "top-100": result["factorized_top_k/top_100_categorical_accuracy"],
        }
    return {"seconds": times, "metrics": metrics, "peak_mb": peak_mb()}


def tutorial_lean(folder: Path) -> dict[str, Any]:
    """The same three models without metrics on training batches: TFRS at its best, not as its tutorial runs it."""
    return tutorial(folder, train_metrics=False)


def large(folder: Path) -> dict[str, Any]:
    """Training speed where little repeats: ids are rows, no metrics in training, batches ready in memory."""
    inputs = np.load(folder / "large.npz")
    rows = tf.data.Dataset.from_tensor_slices(dict(inputs))
    batches = rows.batch(8192).cache().prefetch(tf.data.AUTOTUNE)
    model = TutorialModel(user=row_tower(200_001), movie=row_tower(100_001), train_metrics=False)
    model.compile(optimizer=tf.keras.optimizers.Adagrad(0.1))
    model.fit(batches.take(2), epochs=1, verbose=0)
    for _ in batches:  # fills the cache
        pass
    start = time.perf_counter()
    model.fit(batches, epochs=1, verbose=0)
    return {"rows_per_s": len(inputs["user_id"]) / (time.perf_counter() - start), "peak_mb": peak_mb()}


def ranks(folder: Path) -> dict[str, Any]:
    """`FactorizedTopK` over the shared vectors, with the candidates as a data set, its own way, and all at once."""
    inputs = np.load(folder / "ranks.npz")
    queries, items = tf.constant(inputs["queries"]), tf.constant(inputs["items"])
    positives = tf.gather(items, inputs["positives"])
    forms = {
        "data set": tf.data.Dataset.from_tensor_slices(items).batch(4096).cache(),
        "brute force": tfrs.layers.factorized_top_k.BruteForce(k=100).index(items),
    }
    times, peaks = {}, {}
    for name, candidates in forms.items():
        metric = tfrs.metrics.FactorizedTopK(candidates=candidates)

        @tf.function
        def update(metric: tfrs.metrics.FactorizedTopK = metric) -> None:
            metric.update_state(queries, positives)

        times[name] = median_seconds(update, repeats=3)
        peaks[name] = peak_mb()
    error = max(abs(float(value) - exact) for value, exact in zip(metric.result(), inputs["hits"], strict=True))
    return {"seconds": times, "peak_mb": peaks, "error": error}


if __name__ == "__main__":
    parts = {"parity": parity, "tutorial": tutorial, "tutorial_lean": tutorial_lean, "large": large, "ranks": ranks}
    command(parts)
