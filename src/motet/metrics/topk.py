"""HitRate: how often the positive is among the top k; and FactorizedTopK, hit rates at several k."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float, Int
from torch import Tensor

from motet.errors import ConfigError
from motet.metrics.additive import RowMean
from motet.metrics.base import CorpusMetric, Metric, check_list_length
from motet.metrics.mrr import MRR
from motet.metrics.ndcg import NDCG
from motet.metrics.ranks import Ties
from motet.metrics.recall import Recall


class HitRate(RowMean, CorpusMetric):
    r"""The share of positives that rank among the top k.

    $$ HR@k = \frac{\sum_i w_i [rank_i \le k]}{\sum_i w_i} $$

    Every row is a query of its own with one right answer, so a user counts once per positive; in `Recall` every user
    counts once. NaN if there are no rows; 1 if k is at least the number of candidates.

    Args:
        k: Length of the list.

    Raises:
        ConfigError: If k is below 1.

    Source:
        TensorFlow Recommenders, `FactorizedTopK`, where it is called top-k categorical accuracy.

    Example:
        >>> import torch
        >>> hit_rate = HitRate(10)
        >>> hit_rate.update(torch.tensor([1.0, 11.0]), torch.tensor([7, 7]))
        >>> hit_rate.compute()
        0.5
    """

    def __init__(self, k: int) -> None:
        check_list_length(k)
        super().__init__()
        self.k = k

    @property
    def depth(self) -> float:
        """Length of the list; see `CorpusMetric.depth`."""
        return self.k

    def update(
        self,
        ranks: Float[Tensor, " positives"],
        queries: Int[Tensor, " positives"],
        weights: Float[Tensor, " positives"] | None = None,
    ) -> None:
        """Add positives; see `CorpusMetric.update`."""
        self.add(self.values(ranks, queries), weights)

    def values(self, first: Float[Tensor, " rows"], second: Tensor) -> Float[Tensor, " rows"]:  # noqa: ARG002
        """Hits, regardless of the query; see `RowMean.values`."""
        return (first <= self.k).double()


class FactorizedTopK(CorpusMetric):
    """`HitRate` at several k at once.

    Args:
        ks: Lengths of the list. The default is that of TensorFlow Recommenders.
        tfrs: Whether to report under the names of TensorFlow Recommenders,
            `factorized_top_k/top_{k}_categorical_accuracy`. Its ties are optimistic: rank by `ties`.

    Raises:
        ConfigError: If `ks` is empty, or a k is below 1.

    Attributes:
        ties: The tie rule of the chosen convention, for `motet.metrics.ranks` and `evaluate`.

    Example:
        >>> import torch
        >>> metric = FactorizedTopK(ks=(1, 10))
        >>> metric.update(torch.tensor([1.0, 7.0]), torch.tensor([3, 4]))
        >>> metric.figures("hit_rate")
        {'hit_rate@1': 0.5, 'hit_rate@10': 1.0}
    """

    def __init__(self, ks: Sequence[int] = (1, 5, 10, 50, 100), *, tfrs: bool = False) -> None:
        if not ks:
            raise ConfigError("ks is empty; name at least one length of the list: ks=(10,)")
        self.tfrs = tfrs
        self.ties: Ties = "optimistic" if tfrs else "pessimistic"
        self.hit_rates = [HitRate(k) for k in sorted(set(ks))]

    @property
    def depth(self) -> float:
        """Length of the longest list; see `CorpusMetric.depth`."""
        return self.hit_rates[-1].depth

    def update(
        self,
        ranks: Float[Tensor, " positives"],
        queries: Int[Tensor, " positives"],
        weights: Float[Tensor, " positives"] | None = None,
    ) -> None:
        """Add positives; see `CorpusMetric.update`."""
        for hit_rate in self.hit_rates:
            hit_rate.update(ranks, queries, weights)

    def merge(self, other: FactorizedTopK) -> None:
        """Add the rows of another metric; see `Metric.merge`."""
        for mine, theirs in zip(self.hit_rates, other.hit_rates, strict=True):
            mine.merge(theirs)

    def compute(self) -> float:
        """The hit rate at the largest k; `figures` gives all of them."""
        return self.hit_rates[-1].compute()

    def parts(self, name: str) -> dict[str, Metric]:
        """One hit rate per k.

        Args:
            name: The task's name for the metric; figures are called `name@k`, unless `tfrs` is set.

        Returns:
            Hit rates by reported name.
        """
        pattern = "factorized_top_k/top_{}_categorical_accuracy" if self.tfrs else f"{name}@{{}}"
        return {pattern.format(hit_rate.k): hit_rate for hit_rate in self.hit_rates}


def standard_topk() -> dict[str, CorpusMetric]:
    """The default metrics of a ranking of the catalogue.

    Returns:
        Fresh metrics by name.
    """
    return {"hit_rate": FactorizedTopK(), "recall@10": Recall(10), "ndcg@10": NDCG(10), "mrr": MRR()}
