"""Sources of tables: files and frames that give their column names at once and their values on demand."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from motet.data.ids import mixed
from motet.data.place import Place
from motet.errors import DataError

SUFFIXES = (".parquet", ".csv", ".tsv", ".arrow", ".feather", ".ipc")
ZERO_PADDED = r"^\s*[+-]?0\d"


class Source(NamedTuple):
    """A table that has not been read yet.

    Attributes:
        columns: All column names, in order.
        read: Reads some columns; the rows always come in the same order.
        locate: Of several files, finds the file of a row, and the row within it; None if there is a single file.
        typed: Whether the columns have types of their own. Those of CSV are inferred from their values.
    """

    columns: tuple[str, ...]
    read: Callable[[Sequence[str]], pl.LazyFrame]
    locate: Callable[[int], tuple[int, str]] | None = None
    typed: bool = True


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Name a table in the errors of reading it.

    Args:
        name: The file name, or what the table is for.

    Raises:
        DataError: In place of an error of the system or of Polars.
    """
    try:
        yield
    except pl.exceptions.NoDataError as error:
        raise DataError(f"{name} is empty: not even column names are in it") from error
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        hint = "; save the file in UTF-8" if "utf-8" in str(error).lower() else ""
        raise DataError(f"{name} cannot be read: {_told(error)}{hint}") from error


def _told(error: BaseException) -> str:
    """What Polars says, without its hints at arguments that no caller can pass."""
    first, *_ = str(error).split("\n\n")
    _, _, cause = str(error).partition("Original error: ")
    return f"{first} ({cause.strip('`')})" if cause else first


def open_file(path: Path, text: Collection[str] = (), codes: Collection[str] | None = ()) -> Source:
    """Open a file by its suffix.

    Args:
        path: The file.
        text: Columns to read as text if the format has no types.
        codes: Columns to read as text if the format has no types and a number starts with 0: 007 is not 7. None for
            all.

    Returns:
        The source.

    Raises:
        DataError: If the type is not supported.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"{path.name} has the unsupported type {path.suffix!r}; supported: {', '.join(SUFFIXES)}")
    match suffix:
        case ".parquet":
            return _scanned(pl.scan_parquet(path))
        case ".csv" | ".tsv":
            return _csv(path, text, codes)
        case _:
            return _arrow(path)


def open_frame(source: object, name: str) -> Source:
    """Open a table in memory.

    Args:
        source: A Polars, pandas or Arrow table, or anything else with Arrow's stream interface.
        name: Its name in error messages.

    Returns:
        The source.

    Raises:
        DataError: If it is something else.
    """
    if isinstance(source, pl.LazyFrame):
        # Collected once: a lazy plan does not guarantee the same row order twice.
        return Source(_names(source), lambda columns: source.select(columns).collect().lazy())
    if isinstance(source, pl.DataFrame):
        return _scanned(source.lazy())
    if type(source).__module__.partition(".")[0] == "pandas":
        return _pandas(source, name)
    if hasattr(source, "__arrow_c_stream__"):
        return _scanned(pl.DataFrame(source).lazy())
    raise DataError(
        f"{name} is of type {type(source).__name__}; give a path ({', '.join(SUFFIXES)}), "
        "a pattern such as 'orders-*.csv' for several files, or a Polars, pandas or Arrow table"
    )


def _names(frame: pl.LazyFrame) -> tuple[str, ...]:
    return tuple(frame.collect_schema().names())


def _scanned(frame: pl.LazyFrame) -> Source:
    return Source(_names(frame), frame.select)


def _arrow(path: Path) -> Source:
    """Arrow's file format, or its stream format under the same suffix."""
    try:
        return _scanned(pl.scan_ipc(path))
    except pl.exceptions.PolarsError:
        return _scanned(pl.read_ipc_stream(path).lazy())


def _csv(path: Path, text: Collection[str], codes: Collection[str] | None) -> Source:
    separator = "\t" if path.suffix.lower() == ".tsv" else ","
    names = _names(pl.scan_csv(path, separator=separator))
    types: dict[str, Any] = {name: pl.String for name in text if name in names}

    def parse(columns: Sequence[str], rows: int | None = 10_000) -> pl.DataFrame:
        """Infer the types from the first rows; if a later value does not fit, from all rows."""
        try:
            return pl.read_csv(
                path,
                separator=separator,
                columns=columns,
                schema_overrides=types,
                infer_schema_length=rows,
                null_values="",  # quoted as well: programs that quote every field write nothing as ""
            )
        except pl.exceptions.ComputeError:
            if rows is None:
                raise
            return parse(columns, None)

    def read(columns: Sequence[str]) -> pl.LazyFrame:
        frame = parse(columns)
        whole = [name for name in columns if frame[name].dtype.is_integer() and (codes is None or name in codes)]
        padded = _zero_padded(path, separator, whole)
        if padded:
            types.update(dict.fromkeys(padded, pl.String))
            frame = parse(columns)
        return frame.lazy()

    return Source(names, read, typed=False)


def _zero_padded(path: Path, separator: str, names: Sequence[str]) -> list[str]:
    """The columns of whole numbers in which one starts with 0, and so would not come back as it is written."""
    if not names:
        return []
    raw = pl.scan_csv(path, separator=separator, schema_overrides=dict.fromkeys(names, pl.String))
    found = raw.select(pl.col(names).str.contains(ZERO_PADDED).any()).collect()
    return [name for name in names if found[name].item()]


def _pandas(frame: Any, name: str) -> Source:
    labels = {str(label): label for label in frame.columns}
    if len(labels) < len(frame.columns):
        raise DataError(f"{name} has two columns of the same name; columns: {', '.join(map(str, frame.columns))}")

    def read(columns: Sequence[str]) -> pl.LazyFrame:
        return pl.LazyFrame({column: _pandas_column(frame[labels[column]], Place(column, name)) for column in columns})

    return Source(tuple(labels), read)


def _pandas_column(column: Any, where: Place) -> pl.Series:
    """Convert one column, so that an error can name it; NaN, which pandas uses for missing values, becomes null."""
    try:
        return pl.from_pandas(column.to_frame("column"), nan_to_null=True).to_series()
    except ImportError as error:
        raise DataError(f"{where} is a pandas column, which needs pyarrow to be read: pip install pyarrow") from error
    except (TypeError, ValueError, OverflowError, NotImplementedError) as error:
        missing = zip(column, column.isna(), strict=True)
        raise mixed([None if unknown else value for value, unknown in missing], where) from error
