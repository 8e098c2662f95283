"""The model of TensorFlow Recommenders' multi-task tutorial, declared with motet.

Source: https://www.tensorflow.org/recommenders/examples/multitask
"""

from __future__ import annotations

from motet import EventLog, FeatureTower, Model, tasks


def build(log: EventLog, *, label: str = "rating", sparse: bool = False) -> Model:
    """Tables of 32 dimensions, a head of 256 and 128, and a summed in-batch softmax without corrections."""
    return Model(
        user=FeatureTower(log.users, dim=32, features=(), sparse=sparse),
        item=FeatureTower(log.items, dim=32, features=(), sparse=sparse),
        tasks=[
            tasks.Rating(label, hidden=(256, 128)),
            tasks.Retrieval(pool=tasks.InBatch(log_q=False), reduction="sum"),
        ],
    )
