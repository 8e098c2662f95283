"""Pages: the unpacked size of a Parquet file, read from its headers before anything is unpacked.

A few bytes of Parquet can encode a billion values, which is useful in a log and dangerous in a stranger's file. The
headers are in Thrift's compact protocol, which numbers the fields of a structure.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

DEPTH = 32  # of nested structures; Parquet has a handful
VALUES = 8  # values a column may have for each byte of the file: one bit per value
BYTES = 200  # bytes that a byte of the file may unpack to
SPARE = 1 << 20  # added to both limits, for small files
# Fields by their numbers in parquet.thrift.
ROW_GROUPS = 4  # of FileMetaData
COLUMNS = 1  # of RowGroup
META_DATA = 3  # of ColumnChunk
NUM_VALUES, UNCOMPRESSED_SIZE, COMPRESSED_SIZE, DATA_PAGE, DICTIONARY_PAGE = 5, 6, 7, 9, 11  # of ColumnMetaData
PAGE_UNCOMPRESSED_SIZE, PAGE_COMPRESSED_SIZE = 2, 3  # of PageHeader
PAGE_HEADERS = (5, 8, 7)  # of PageHeader: for data, for data in version 2, for a dictionary
PAGE_VALUES = 1  # of each of these
# Kinds of values in the compact protocol.
TRUE, FALSE, BYTE, DOUBLE, BINARY, LIST, SET, STRUCT = 1, 2, 3, 7, 8, 9, 10, 12
NUMBERS = (4, 5, 6)


def check(file: Path) -> None:
    """Refuse a file that would unpack to far more than its size suggests.

    Args:
        file: A Parquet file.

    Raises:
        ValueError: If it is not Parquet, or would unpack to too much; the message says which.
    """
    size = file.stat().st_size
    if size < 12:
        raise ValueError("it is not Parquet")
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        footer_size = int.from_bytes(content[size - 8 : size - 4], "little")
        if content[:4] != b"PAR1" or content[size - 4 :] != b"PAR1" or footer_size > size - 12:
            raise ValueError("it is not Parquet")
        footer = _Reader(content, size - 8 - footer_size).struct()
        left, unpacked = size, 0
        columns: dict[int, int] = {}
        for group in footer.get(ROW_GROUPS, ()):
            for number, chunk in enumerate(group[COLUMNS]):
                length = chunk[META_DATA][COMPRESSED_SIZE]
                if not 0 <= length <= left:  # or pages that many columns share would each be read many times
                    raise ValueError("its columns are larger than the file")
                left -= length
                values, more = _chunk(content, chunk[META_DATA])
                columns[number] = columns.get(number, 0) + values
                unpacked += more
    most = max(columns.values(), default=0)
    if most > VALUES * size + SPARE or unpacked > BYTES * size + SPARE:
        raise ValueError(f"its {size:,} bytes unpack to {most:,} values and {unpacked:,} bytes, more than any log does")


def _chunk(content: mmap.mmap, about: dict[int, Any]) -> tuple[int, int]:
    """Values and bytes of a column: as stated for the column or summed over its pages, whichever is more."""
    place = min(offset for offset in (about.get(DICTIONARY_PAGE), about[DATA_PAGE]) if offset is not None)
    end, values, unpacked = place + about[COMPRESSED_SIZE], 0, 0
    while place < end:
        reader = _Reader(content, place)
        page = reader.struct()
        head: dict[int, int] = next((page[kind] for kind in PAGE_HEADERS if page.get(kind)), {})
        values += head.get(PAGE_VALUES, 0)
        unpacked += page[PAGE_UNCOMPRESSED_SIZE]
        if page[PAGE_COMPRESSED_SIZE] < 0 or min(values, unpacked) < 0:
            raise ValueError("a page has a negative size")
        place = reader.place + page[PAGE_COMPRESSED_SIZE]
    return max(values, about[NUM_VALUES]), max(unpacked, about[UNCOMPRESSED_SIZE])


class _Reader:
    """Reads Thrift's compact protocol; a structure becomes a dict from field numbers to values."""

    def __init__(self, content: mmap.mmap, place: int) -> None:
        if not 0 <= place < len(content):
            raise ValueError("a header lies outside the file")
        self.content = content
        self.place = place

    def struct(self, depth: int = 0) -> dict[int, Any]:
        if depth > DEPTH:
            raise ValueError("its headers are nested too deeply")
        found: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._number()
            found[number] = self._value(head & 15, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (TRUE, FALSE):
            return kind == TRUE
        if kind in NUMBERS:
            return self._number()
        if kind == STRUCT:
            return self.struct(depth + 1)
        if kind in (LIST, SET):
            return self._list(depth)
        widths = {BYTE: 1, DOUBLE: 8}
        if kind != BINARY and kind not in widths:
            raise ValueError("its headers cannot be read")
        length = self._varint() if kind == BINARY else widths[kind]
        self.place += length
        return None

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        size = head >> 4 if head >> 4 < 15 else self._varint()
        if size > len(self.content):
            raise ValueError("its headers cannot be read")
        kind = BYTE if head & 15 in (TRUE, FALSE) else head & 15
        return [self._value(kind, depth + 1) for _ in range(size)]

    def _byte(self) -> int:
        if self.place >= len(self.content):
            raise ValueError("its headers are cut off")
        self.place += 1
        return self.content[self.place - 1]

    def _varint(self) -> int:
        value = shift = 0
        while shift < 70:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
        raise ValueError("its headers cannot be read")

    def _number(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
