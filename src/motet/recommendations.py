"""Recommendations for many users as one table, for a job that fills a database or sends mail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.progress import track

from motet.artifact.folder import check_outside
from motet.data.entities import Entities
from motet.data.ids import Ids, as_series
from motet.errors import ArtifactError, ConfigError
from motet.index import TopK
from motet.recommender import Recommender
from motet.whole_file import whole_file

WRITERS: dict[str, Callable[..., None]] = {
    ".parquet": pl.DataFrame.write_parquet,
    ".csv": pl.DataFrame.write_csv,
    ".arrow": pl.DataFrame.write_ipc,
}
READERS: dict[str, Callable[..., pl.LazyFrame]] = {
    ".parquet": pl.scan_parquet,
    ".csv": pl.scan_csv,
    ".arrow": pl.scan_ipc,
}
BLOCK = 4096  # users in one call of `recommend`, so that memory beyond the table is bounded


def recommend_table(
    recommender: Recommender, users: Ids | None = None, k: int = 10, *, progress: bool = True, **request: Any
) -> pl.DataFrame:
    """Recommend the k best items to each of many users, block by block, and return one table.

    Args:
        recommender: A trained model and its log.
        users: User ids; by default every user of the training log, in ascending order.
        k: The number of items for each user.
        progress: Whether to show a progress bar on stderr.
        **request: Other arguments of `Recommender.recommend`, such as `only` or `by`.

    Returns:
        One row per recommendation: the user's id, `rank` (1 is the best), the item's id, the fused `score`, each task's
        score in its own unit as `score_TASK`, and `basis` as in `TopK`. The id columns are named as in the log. Users
        keep their order; a user with fewer than k allowed items has fewer rows.

    Raises:
        ConfigError: If two columns would have the same name, and as `Recommender.recommend` says.
        DataError: As `Recommender.recommend` says.

    Example:
        >>> from motet import FeatureTower, Model, Recommender, simulate, tasks
        >>> log = simulate.shop(20, 30, impressions=100).log
        >>> user, item = FeatureTower(log.users, dim=4), FeatureTower(log.items, dim=4)
        >>> recommender = Recommender(Model(user=user, item=item, tasks=[tasks.Retrieval()]), log)
        >>> recommend_table(recommender, [4, 3], k=2, progress=False).select("user_id", "rank").rows()
        [(4, 1), (4, 2), (3, 1), (3, 2)]
    """
    user, item = recommender.users.key, recommender.items.key
    scores = [f"score_{task}" for task in recommender.model.tasks]
    _check_names([user, "rank", item, "score", *scores, "basis"])
    everyone = recommender.users.vocab.ids
    ids = everyone if users is None else as_series(users, user)
    ids = ids if len(ids) else everyone.clear()  # an empty list has no type
    console = Console(stderr=True)
    parts = []
    for start in track(range(0, max(1, len(ids)), BLOCK), "recommend", console=console, disable=not progress):
        block = ids[start : start + BLOCK]
        top = recommender.recommend(block, k, **request)
        parts.append(_rows(top, block.alias(user), recommender.items))
    return pl.concat(parts)


def _rows(top: TopK, users: pl.Series, items: Entities) -> pl.DataFrame:
    """The answers of one block below each other, without what fills up shorter ones."""
    found = top.ids != None  # noqa: E711
    line, place = found.nonzero()
    scores = {"score": top.scores} | {f"score_{name}": part for name, part in top.tasks.items()}
    return pl.DataFrame(
        [
            users.gather(line),
            pl.Series("rank", place + 1, dtype=pl.Int32),
            pl.Series(items.key, top.ids[found].tolist(), dtype=items.vocab.ids.dtype),
            *(pl.Series(name, part.numpy()[found]) for name, part in scores.items()),
            pl.Series("basis", top.basis[line].tolist(), dtype=pl.String),
        ]
    )


def _check_names(names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(
                f"the table would have two columns {name!r}: one for ids and one for recommendations; rename the id "
                "column of the log"
            )


def check_writable(path: Path) -> None:
    """Check that a table can be written to a file, before the work that fills it.

    Args:
        path: The file.

    Raises:
        ConfigError: If its type is not supported, its folder does not exist or is that of a saved model, or it holds
            anything but recommendations, which the table would replace.
    """
    check_outside(path)
    if path.suffix not in WRITERS:
        raise ConfigError(f"{path.name!r} has the type {path.suffix!r}; the table is written as {', '.join(WRITERS)}")
    if not path.parent.is_dir():
        raise ConfigError(f"there is no folder {path.parent} to write {path.name} into; make it first")
    if path.exists() and not _holds_lists(path):
        raise ConfigError(
            f"{path} holds something other than recommendations, and they would replace it; name another file, or "
            "remove this one"
        )


def _holds_lists(path: Path) -> bool:
    try:
        return {"rank", "score", "basis"} <= set(READERS[path.suffix](path).collect_schema())
    except (pl.exceptions.PolarsError, OSError):
        return False


def write(table: pl.DataFrame, path: Path) -> None:
    """Write a table whole or not at all, in the format of its suffix.

    Args:
        table: The recommendations.
        path: A file that `check_writable` accepts; an existing one is replaced at the end.

    Raises:
        ArtifactError: If the file cannot be written.
    """
    try:
        with whole_file(path) as unfinished:
            WRITERS[path.suffix](table, unfinished)
    except OSError as error:
        raise ArtifactError(
            f"could not write {path}: {error.strerror or error}; an existing file is untouched. Free some space, or "
            "name a file in a writable folder"
        ) from error
