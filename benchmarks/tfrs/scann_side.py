"""TFRS's `ScaNN` layer in `benchmarks.index`: `python -m benchmarks.tfrs.scann_side INPUTS OUTPUT`.

The fastest of its settings that find enough for the tuning queries: one leaf (which is no tree; the layer has no other
way to say so) or 1,000, how many of these are searched, how many candidates are compared in full. The layer trains its
tree on 100,000 items, too few for 2,000 leaves. What was excluded is asked for too and then left out by the layer.
"""

from __future__ import annotations

import json
import time
from itertools import product

import numpy as np
import tensorflow as tf
from benchmarks.tfrs.index_side import inputs, items, measure, output, shape
from scann import scann_ops
from scann.proto.scann_pb2 import ScannConfig
from tensorflow_recommenders.layers.factorized_top_k import ScaNN

k, more = shape["retrieve"], shape["retrieve"] + shape["seen"]
LEAVES = (1, 1_000)
SHARES = (0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.8, 1)  # of the leaves
COMPARED = (700, 1_000, 2_000, 3_000, 4_000, 4_500, 5_000, 5_500, 6_000)
Setting = dict[str, int]


def built(setting: Setting) -> ScaNN:
    """The layer with an index from the folder: every training of the tree finds another, some .01 of recall apart.

    What the layer searches and compares is a part of the index, so the settings replace those it was built with.
    """
    options = {"num_leaves_to_search": setting["searched"], "num_reordering_candidates": setting["compared"]}
    # One query at a time: handing it to other threads costs .06 ms.
    layer = ScaNN(k=more, num_leaves=setting["leaves"], parallelize_batch_searches=False, **options)
    folder = str(inputs / f"scann-layer{setting['leaves']}")
    if not tf.io.gfile.exists(folder):
        layer.index(items)
        custom = tf.saved_model.SaveOptions(namespace_whitelist=["Scann"])
        tf.saved_model.save(layer._serialized_searcher, folder, options=custom)
    layer._serialized_searcher = state = tf.saved_model.load(folder)
    config = ScannConfig.FromString(state.scann_config.numpy()[0])
    config.partitioning.query_spilling.max_spill_centers = setting["searched"]
    config.exact_reordering.approx_num_neighbors = setting["compared"]
    state.scann_config.assign([config.SerializeToString()])
    return layer


def chosen() -> Setting:
    """The quickest settings that find enough for the tuning queries; the quickest tenth of the times counts."""
    file = inputs / "scann-layer.json"
    if file.exists():
        found: Setting = json.loads(file.read_text())
        return found
    tuning = [tf.constant(query[None]) for query in np.load(inputs / "tuning.npy")]
    truth = np.load(inputs / "truth.npy")
    tried = []
    for leaves in LEAVES:
        search = searching(built({"leaves": leaves, "searched": leaves, "compared": more}))
        for share, compared in product(SHARES if leaves > 1 else (1,), COMPARED):
            setting = {"leaves": leaves, "searched": int(share * leaves), "compared": compared}
            options = [tf.constant(setting[name]) for name in ("compared", "searched")]
            times, shares = [], []
            for query, wanted in zip(tuning, truth, strict=True):
                start = time.perf_counter()
                rows = search(query, *options).numpy()
                times.append(time.perf_counter() - start)
                shares.append(np.isin(wanted, rows[:k]).mean())
            tried.append((float(np.quantile(times, 0.1)), float(np.mean(shares)), setting))
    enough = [(seconds, setting) for seconds, recall, setting in tried if recall >= shape["recall"]]
    best = min(enough, key=lambda pair: pair[0])[1]
    file.write_text(json.dumps(best))
    return best


def searching(layer: ScaNN) -> tf.types.experimental.GenericFunction:
    """The search of the layer, with settings as arguments."""

    @tf.function
    def search(query: tf.Tensor, compared: tf.Tensor, searched: tf.Tensor) -> tf.Tensor:
        searcher = scann_ops.searcher_from_module(layer._serialized_searcher)  # in every search, as the layer does it
        return searcher.search_batched(query, more, compared, searched).indices[0]

    return search


if __name__ == "__main__":
    setting = chosen()
    output.write_text(json.dumps(measure(built(setting)) | {"setting": setting}))
