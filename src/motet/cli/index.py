"""The command that makes and checks the index of a saved model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motet.cli.options import Json, SavedModel

if TYPE_CHECKING:
    from torch import Tensor

    from motet.recommender import Recommender

USERS = 200  # whose searches are timed and compared: a second or two for a million items
CANDIDATES = 500  # what `recommend` retrieves unless told otherwise


def index(
    model: SavedModel,
    recall: Annotated[
        float, typer.Option("--recall", metavar="SHARE", help="Share of the best K items to find, on average.")
    ] = 0.95,
    k: Annotated[int, typer.Option("-k", metavar="K", help="Number of items that a search retrieves.")] = CANDIDATES,
    check: Annotated[bool, typer.Option("--check", help="Only measure the index that is there.")] = False,
    json: Json = False,
) -> None:
    """Make an approximate index of a saved model, fast enough for millions of items; from then on it is used.

    It is put into the folder of the model, and travels with it when the model is exported; without one, searches are
    exact. The figures are those of 200 of the users, who are not recommended what they have seen. Build the index again
    after you train the model again.

    [bold]Examples[/bold]

    motet index model/ --recall .95

    motet index model/ --check
    """
    from motet.artifact.folder import fingerprint
    from motet.artifact.saved import INDEX
    from motet.cli import printing
    from motet.recommender import Recommender

    of = fingerprint(model)
    recommender = Recommender.load(model, indexed=check)  # one that is to be replaced may be of other weights
    if not check:
        _build(recommender, model, k, recall, of)
    found = _figures(recommender, k)
    there = (model / INDEX).exists()
    if json:
        printing.print_json({"index": str(model / INDEX) if there else None, **found})
        return
    print(model / INDEX if there else "The model has no index: searches are exact.")
    print(
        f"{found['items']:,} items · recall@{k} {found['recall']:.3f} · p50 {found['p50_ms']:.2f} ms · "
        f"p99 {found['p99_ms']:.2f} ms · exact: p50 {found['exact_p50_ms']:.2f} ms · p99 {found['exact_p99_ms']:.2f} ms"
    )


def _build(recommender: Recommender, model: Path, k: int, recall: float, of: str) -> None:
    from motet.artifact.folder import check_free, held, located
    from motet.artifact.saved import put_index
    from motet.index import ExactIndex
    from motet.index.check import fitted

    check_free(model, held(located(model)))
    ranker = recommender.ranker
    exact = ExactIndex(ranker.index.vectors.cpu())
    queries, seen = _queries(recommender)
    index = fitted(exact.vectors, queries, k, recall=recall, truth=exact, exclude=seen)
    put_index(model, index, of=of)
    ranker.index = index


def _figures(recommender: Recommender, k: int) -> dict[str, float]:
    from motet.index import ExactIndex
    from motet.index.check import check

    index, (queries, seen) = recommender.ranker.index, _queries(recommender)
    exact = ExactIndex(index.vectors)
    mine, truth = (check(each, queries, k, truth=exact, exclude=seen) for each in (index, exact))
    return {
        "items": len(index),
        "k": k,
        "recall": mine.recall,
        "p50_ms": mine.p50_ms,
        "p99_ms": mine.p99_ms,
        "exact_p50_ms": truth.p50_ms,
        "exact_p99_ms": truth.p99_ms,
    }


def _queries(recommender: Recommender) -> tuple[Tensor, list[Tensor]]:
    """What users ask the index and what they have seen, evenly spread over those whom training knows."""
    from motet.errors import ConfigError

    scorer = recommender.scorer
    if scorer.corpus is None:
        raise ConfigError(
            "the model has no task that retrieves, and so no vectors to index; add one, such as Retrieval"
        )
    rows = scorer.known.nonzero()[:, 0]
    some = rows[:: max(1, len(rows) // USERS)][:USERS]
    askers = recommender.fold_in(recommender.users.vocab.decode_list(some))
    return scorer.queries(askers), [line - 1 for line in askers.seen]  # row r of an index is item row r + 1
