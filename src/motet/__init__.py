"""Joint recommenders: several kinds of feedback, one model.

Every name is imported when it is first used, so that `import motet` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from motet import baselines, losses, metrics, optim, tasks, towers, trunks
    from motet.calibration import calibrate
    from motet.client import AsyncClient, Client
    from motet.data import datasets, simulate, split
    from motet.data.batch import Batch
    from motet.data.log import EventLog
    from motet.data.schema import Categorical, MultiValued, Numeric, Schema, Text, Timestamp
    from motet.data.vocab import Vocab
    from motet.early_stopping import EarlyStopping
    from motet.errors import MotetError
    from motet.evaluation import Report, evaluate
    from motet.index import TopK
    from motet.model import Model
    from motet.preference import Preference
    from motet.recommendations import recommend_table
    from motet.recommender import Recommender
    from motet.towers import FeatureTower
    from motet.train import fit

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "Batch",
    "Categorical",
    "Client",
    "EarlyStopping",
    "EventLog",
    "FeatureTower",
    "Model",
    "MotetError",
    "MultiValued",
    "Numeric",
    "Preference",
    "Recommender",
    "Report",
    "Schema",
    "Text",
    "Timestamp",
    "TopK",
    "Vocab",
    "baselines",
    "calibrate",
    "datasets",
    "evaluate",
    "fit",
    "losses",
    "metrics",
    "optim",
    "recommend_table",
    "simulate",
    "split",
    "tasks",
    "towers",
    "trunks",
]

_PLACES = {
    "AsyncClient": "motet.client:AsyncClient",
    "Batch": "motet.data.batch:Batch",
    "Categorical": "motet.data.schema:Categorical",
    "Client": "motet.client:Client",
    "EarlyStopping": "motet.early_stopping:EarlyStopping",
    "EventLog": "motet.data.log:EventLog",
    "FeatureTower": "motet.towers:FeatureTower",
    "Model": "motet.model:Model",
    "MotetError": "motet.errors:MotetError",
    "MultiValued": "motet.data.schema:MultiValued",
    "Numeric": "motet.data.schema:Numeric",
    "Preference": "motet.preference:Preference",
    "Recommender": "motet.recommender:Recommender",
    "Report": "motet.evaluation:Report",
    "Schema": "motet.data.schema:Schema",
    "Text": "motet.data.schema:Text",
    "Timestamp": "motet.data.schema:Timestamp",
    "TopK": "motet.index:TopK",
    "Vocab": "motet.data.vocab:Vocab",
    "baselines": "motet.baselines",
    "calibrate": "motet.calibration:calibrate",
    "datasets": "motet.data.datasets",
    "evaluate": "motet.evaluation:evaluate",
    "fit": "motet.train:fit",
    "losses": "motet.losses",
    "metrics": "motet.metrics",
    "optim": "motet.optim",
    "recommend_table": "motet.recommendations:recommend_table",
    "simulate": "motet.data.simulate",
    "split": "motet.data.split",
    "tasks": "motet.tasks",
    "towers": "motet.towers",
    "trunks": "motet.trunks",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        from motet.errors import did_you_mean

        raise AttributeError(f"module 'motet' has no attribute {name!r}{did_you_mean(name, __all__)}")
    module, _, attribute = _PLACES[name].partition(":")
    value = getattr(import_module(module), attribute) if attribute else import_module(module)
    globals()[name] = value  # the next use does not come here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
