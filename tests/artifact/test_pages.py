from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from motet.artifact import pages


def test_tables_of_every_kind_pass(tmp_path: Path) -> None:
    rows = 20_000
    table = pl.select(
        number=pl.int_range(rows),
        text=pl.format("item {}", pl.int_range(rows)),
        tags=pl.int_range(rows).cast(pl.String).repeat_by(3),
        moment=pl.int_range(rows).cast(pl.Datetime),
        kind=pl.when(pl.int_range(rows) % 3 == 0).then(pl.lit("a")).cast(pl.Categorical),
        part=pl.int_range(rows) / 7,
    )
    for compression in ("zstd", "snappy", "uncompressed"):
        table.write_parquet(tmp_path / "table", compression=compression, row_group_size=7_000)  # type: ignore[arg-type]
        pages.check(tmp_path / "table")
    table.clear().write_parquet(tmp_path / "empty")
    pages.check(tmp_path / "empty")


@pytest.mark.parametrize("values", [pl.repeat(7, 3_000_000), pl.repeat(7, 3_000_000).implode()], ids=["rows", "a list"])
def test_a_few_bytes_are_not_millions_of_values(values: pl.Expr, tmp_path: Path) -> None:
    pl.select(values).write_parquet(tmp_path / "table")
    with pytest.raises(ValueError, match=r"bytes unpack to 3,000,.* values and .* bytes, more than any log does"):
        pages.check(tmp_path / "table")


def test_a_few_bytes_are_not_a_long_text(tmp_path: Path) -> None:
    pl.DataFrame({"text": ["a" * 3_000_000]}).write_parquet(tmp_path / "table")
    with pytest.raises(ValueError, match=r"bytes unpack to 2 values and 3,000,.* bytes, more than any log does"):
        pages.check(tmp_path / "table")


def test_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "table"
    pl.DataFrame({"a": range(3)}).write_parquet(file)
    whole = file.read_bytes()
    for content in (b"", b"PAR1", whole[:-3], whole[3:], whole[:-8] + b"\xff" * 4 + b"PAR1"):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"it is not Parquet"):
            pages.check(file)
    for place in range(4, len(whole) - 8):
        for byte in (0, 255, whole[place] ^ 1):
            file.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
            try:
                pages.check(file)
            except (ValueError, KeyError, TypeError, IndexError, AttributeError):
                continue  # named by what reads the file


@pytest.mark.parametrize(
    ("footer", "words"),
    [
        (b"\x18\xff\x7f", "its headers are cut off"),  # a text of 16,383 bytes
        (b"\x49\x1c\x19\x1c\x3c\x56\x02\x16\x02\x16\x02\x26\xd0\x0f\0\0\0\0", "a header lies outside the file"),
    ],
)
def test_a_footer_that_leads_out_of_the_file_is_refused(tmp_path: Path, footer: bytes, words: str) -> None:
    file = tmp_path / "table"
    file.write_bytes(b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(ValueError, match=words):
        pages.check(file)


def varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)


@pytest.mark.parametrize("size", [30_000, -30_000])
def test_columns_that_share_their_pages_are_refused_before_all_are_read(tmp_path: Path, size: int) -> None:
    """A file of a megabyte, half pages and half columns over all of them, would take hours."""
    page = b"\x25\x00\x15\x00\x00"  # neither values nor bytes
    column = b"\x3c\x56\x00\x16\x00\x16" + varint(2 * size if size > 0 else -2 * size - 1) + b"\x26\x08\x00\x00"
    columns = 3 if size > 0 else 1
    footer = b"\x49\x1c\x19" + bytes([columns << 4 | 12]) + columns * column + b"\x00\x00"
    (tmp_path / "table").write_bytes(b"PAR1" + page * 10_000 + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(ValueError, match="its columns are larger than the file"):
        pages.check(tmp_path / "table")
