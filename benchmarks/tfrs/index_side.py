"""TFRS's side of `benchmarks.index`: `python -m benchmarks.tfrs.index_side INPUTS OUTPUT`, in its own environment."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs

inputs, output = map(Path, sys.argv[1:])
shape = json.loads((inputs / "shape.json").read_text())
tf.config.threading.set_intra_op_parallelism_threads(shape["threads"])
tf.config.threading.set_inter_op_parallelism_threads(1)
items = tf.constant(np.load(inputs / "items.npy"))


def measure(index: tfrs.layers.factorized_top_k.TopK) -> dict[str, object]:
    """Times and answers of a layer with the head, and of the layer alone."""
    head = np.load(inputs / "head.npz")
    layers = [(tf.constant(head[f"w{n}"].T), tf.constant(head[f"b{n}"])) for n in range(3)]

    def retrieve(query: tf.Tensor, seen: tf.Tensor) -> tf.Tensor:
        return index.query_with_exclusions(query, seen, k=shape["retrieve"])[1][0]

    def answer(query: tf.Tensor, seen: tf.Tensor) -> tf.Tensor:
        rows = retrieve(query, seen)
        user = tf.repeat(query, shape["retrieve"], axis=0)
        hidden = tf.concat([user, tf.gather(items, rows)], 1)
        for number, (weight, bias) in enumerate(layers):
            hidden = hidden @ weight + bias
            hidden = tf.nn.relu(hidden) if number < 2 else hidden
        return tf.gather(rows, tf.math.top_k(hidden[:, 0], k=shape["k"]).indices)

    (whole, top), (retrieval, rows) = timed(tf.function(answer)), timed(tf.function(retrieve))
    return {"answer": whole, "top": top, "retrieval": retrieval, "rows": rows}


def timed(call: tf.types.experimental.GenericFunction) -> tuple[list[float], list[list[int]]]:
    """Seconds and answer of each question, after some that are not counted."""
    queries = [tf.constant(query[None]) for query in np.load(inputs / "queries.npy")]
    seen = [tf.constant(rows[None].astype(np.int32)) for rows in np.load(inputs / "seen.npy")]
    times, answers = [], []
    for number in [*range(shape["warm_up"]), *range(len(queries))]:
        start = time.perf_counter()
        answers.append(call(queries[number], seen[number]).numpy())
        times.append(time.perf_counter() - start)
    return times[shape["warm_up"] :], [rows.tolist() for rows in answers[shape["warm_up"] :]]


if __name__ == "__main__":
    index = tfrs.layers.factorized_top_k.BruteForce(k=shape["retrieve"])
    output.write_text(json.dumps(measure(index.index(items))))
