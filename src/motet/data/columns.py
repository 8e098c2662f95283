"""Encoding of raw columns as tensors of features, signals and times; every number is checked here, once."""

from __future__ import annotations

import polars as pl
import torch
from jaxtyping import Float, Num
from torch import Tensor

from motet.data.entities import Bag, Codes, Column, Numbers
from motet.data.ids import as_ids, kind_of
from motet.data.place import Place
from motet.data.schema import Categorical, Feature, MultiValued, Numeric, Text, Timestamp
from motet.data.vocab import Vocab
from motet.errors import DataError

WORD = r"[\p{L}\p{N}]+"
ISO_DATE = r"^\s*\d{4}-\d{2}-\d{2}"
LATEST_S = 100_000_000_000  # the year 5138: anything larger must be milliseconds


def feature(series: pl.Series, kind: Feature, where: Place, vocab: Vocab | None = None) -> Column:
    """Encode a feature column according to its declaration.

    Args:
        series: The raw column.
        kind: Its declaration.
        where: The place that error messages name.
        vocab: The known values; collected from the column by default.

    Returns:
        Codes, a bag of values, or numbers, with one entry per row.

    Raises:
        DataError: If the column does not match its declaration.
    """
    match kind:
        case Categorical():
            return _codes(series, where, vocab)
        case MultiValued():
            return _bag(_values(series, kind, where), series.name, vocab)
        case Text():
            return _bag(_tokens(series, where), series.name, vocab, kind.max_tokens)
        case Numeric():
            return Numbers(numbers(series, where))
        case Timestamp():
            return Numbers(timestamps(series, where).double())


def numbers(series: pl.Series, where: Place) -> Float[Tensor, " n"]:
    """Encode a numeric column.

    Args:
        series: Numbers or booleans; nulls are unknown values.
        where: The place that error messages name.

    Returns:
        float32, NaN where the value is unknown.

    Raises:
        DataError: If the column is not numeric, or a value is NaN or infinite.
    """
    if not series.count():  # a CSV column without a value arrives as text
        return torch.full((len(series),), torch.nan)
    if not (series.dtype.is_numeric() or series.dtype == pl.Boolean):
        raise _not_numeric(series, where)
    values = series.cast(pl.Float32)
    _check_finite(values, series, where)
    return _tensor(values.fill_null(float("nan")))


def timestamps(series: pl.Series, where: Place) -> Num[Tensor, " n"]:
    """Encode a column of times.

    Args:
        series: Seconds since 1970, dates, dates with times, or ISO 8601 text.
        where: The place that error messages name.

    Returns:
        int64 seconds if the column holds whole numbers, otherwise float64 seconds with NaN for null.

    Raises:
        DataError: If a value is not a time, is NaN or infinite, or is so large that it must be milliseconds; or if all
            numbers look like calendar dates, such as 20240531.
    """
    if series.dtype == pl.String:
        series = _parse_timestamps(series, where)
    if series.dtype.is_numeric():
        _check_seconds(series, where)
        _check_calendar(series, where)
    if series.dtype.is_integer() and not series.null_count():
        return _tensor(series.cast(pl.Int64))
    if series.dtype == pl.Date:
        series = series.cast(pl.Datetime("us"))
    if series.dtype == pl.Datetime:
        series = series.dt.epoch("us") / 1e6
    if not (series.dtype.is_numeric() or series.dtype == pl.Null):
        raise DataError(
            f"{where} holds {kind_of(series)}, but times are needed: seconds since 1970, a date, or ISO 8601 text"
        )
    values = series.cast(pl.Float64)
    _check_finite(values, series, where)
    return _tensor(values.fill_null(float("nan")))


def _tensor(series: pl.Series) -> Tensor:
    return torch.from_numpy(series.to_numpy(writable=True))


def _first(flags: pl.Series) -> int:
    return flags.arg_true()[0]  # type: ignore[no-any-return]


def _check_finite(values: pl.Series, raw: pl.Series, where: Place) -> None:
    bad = (~values.is_finite()).fill_null(False)
    if bad.any():
        row = _first(bad)
        raise DataError(
            f"{where} has {raw[row]} in {where.row(row)}; numbers must be finite in 32 bits: "
            "write null for an unknown value, for example with Polars: "
            f"pl.when(pl.col({raw.name!r}).is_finite()).then({raw.name!r})"
        )


def _not_numeric(series: pl.Series, where: Place) -> DataError:
    """Name the first value that is not a number: in text that is mostly numbers, the one that made it text."""
    rows = series.is_not_null()
    fix = f"convert the column first, for example with Polars: pl.col({series.name!r}).cast(pl.Float32)"
    if series.dtype == pl.String:
        numeric = series.cast(pl.Float64, strict=False).is_finite().fill_null(False)
        bad = rows & ~numeric
        if 0 < bad.sum() < rows.sum():
            fix = "correct such values, or leave them empty (null) if they are unknown"
        rows = bad if bad.any() else rows
    row = _first(rows)
    value = series.slice(row, 1).to_list()[0]  # a plain list, where series[row] is a column
    return DataError(
        f"{where} holds {kind_of(series)}, such as {value!r} in {where.row(row)}, but numbers are needed; {fix}"
    )


def _parse_timestamps(series: pl.Series, where: Place) -> pl.Series:
    # Polars would also guess at 03/04/2024, which is in March or in April depending on the country.
    dated = series.set(~series.str.contains(ISO_DATE), None)
    parsed = dated.str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
    bad = parsed.is_null() & series.is_not_null()
    if bad.any():
        row = _first(bad)
        raise DataError(
            f"{where} has {series[row]!r} in {where.row(row)}, which is not a time; write ISO 8601 such as "
            "'2024-05-31T18:00:00', with a time zone in all rows or in none, or seconds since 1970"
        )
    return parsed


def _check_seconds(series: pl.Series, where: Place) -> None:
    late = (series.cast(pl.Float64).abs() > LATEST_S).fill_null(False) & series.cast(pl.Float64).is_finite()
    if late.any():
        row = _first(late)
        raise DataError(
            f"{where} has {series[row]} in {where.row(row)}; times are seconds since 1970, and these look like "
            f"milliseconds or finer: convert them, for example with Polars: pl.col({series.name!r}) / 1000"
        )


def _check_calendar(series: pl.Series, where: Place) -> None:
    """Refuse 20240531, which taken for seconds is a day in August 1970."""
    days = series.cast(pl.Int64, strict=False).drop_nulls()
    if len(days) and (days // 10_000).is_between(1900, 2100).all() and _in_calendar(days).all():
        raise DataError(
            f"{where} holds numbers such as {days[0]}, which look like calendar dates; times are seconds since 1970: "
            "convert them to dates, or to text such as '2024-05-31'"
        )


def _in_calendar(days: pl.Series) -> pl.Series:
    return (days // 100 % 100).is_between(1, 12) & (days % 100).is_between(1, 31)


def _codes(series: pl.Series, where: Place, vocab: Vocab | None) -> Codes:
    if series.dtype in (pl.Boolean, pl.Null):
        series = series.cast(pl.String)
    if series.dtype.is_float():
        series = _whole(series, where)
    values = as_ids(series, where)
    vocab = vocab or Vocab.build(values, series.name)
    return Codes(vocab.encode(values), vocab)


def _whole(series: pl.Series, where: Place) -> pl.Series:
    """Convert decimals back to whole numbers: some tables turn integers with missing values into decimals."""
    bad = ~((series == series.round()) & (series.abs() < 2**53)).fill_null(True)
    if bad.any():
        row = _first(bad)
        raise DataError(
            f"{where} is declared Categorical() but has {series[row]} in {where.row(row)}; "
            "categories are text or whole numbers: declare it Numeric(), or convert it to text"
        )
    return series.cast(pl.Int64)


def _values(series: pl.Series, kind: MultiValued, where: Place) -> pl.Series:
    if series.dtype == pl.Null:
        series = series.cast(pl.String)
    if series.dtype in (pl.String, pl.Categorical, pl.Enum):
        return series.cast(pl.String).str.split(kind.separator).list.eval(pl.element().str.strip_chars())
    if isinstance(series.dtype, pl.Array):
        series = series.arr.to_list()
    if series.dtype in (pl.List(pl.Null), pl.List(pl.Categorical), pl.List(pl.Enum)):  # Null: nothing but empty lists
        return series.cast(pl.List(pl.String))
    if not isinstance(series.dtype, pl.List):
        raise DataError(
            f"{where} is declared MultiValued() but holds {kind_of(series)}; "
            f"it needs lists, or text joined by {kind.separator!r}"
        )
    as_ids(series.explode(), where)
    return series


def _tokens(series: pl.Series, where: Place) -> pl.Series:
    if series.dtype not in (pl.String, pl.Categorical, pl.Enum, pl.Null):
        raise DataError(f"{where} is declared Text() but holds {kind_of(series)}; convert it to text")
    return series.cast(pl.String).str.to_lowercase().str.extract_all(WORD)


def _bag(lists: pl.Series, name: str, vocab: Vocab | None, most: int | None = None) -> Bag:
    """Flatten lists of values; empty values and those not in the vocabulary are dropped."""
    frame = pl.DataFrame({"row": pl.int_range(len(lists), eager=True), "value": lists}).explode("value").drop_nulls()
    if frame["value"].dtype == pl.String:
        frame = frame.filter(pl.col("value") != "")
    vocab = vocab or Vocab.build(_frequent(frame["value"], most), name)
    frame = frame.with_columns(code=pl.Series(vocab.encode(frame["value"]).numpy())).filter(pl.col("code") > 0)
    counts = torch.bincount(_tensor(frame["row"]), minlength=len(lists))
    return Bag(_tensor(frame["code"]), torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)]), vocab)


def _frequent(values: pl.Series, most: int | None) -> pl.Series:
    if most is None:
        return values
    counts = values.value_counts().sort(["count", values.name], descending=[True, False])
    return counts[values.name].head(most)
