"""Pages: the unpacked size of a Parquet file, read from its headers before anything is unpacked.

A few bytes of Parquet can encode a billion values, which is useful in a log and dangerous in a stranger's file. The
headers are in Thrift's compact protocol.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

DEPTH = 32  # of nested structures; Parquet has a handful
VALUES = 8  # values a column may have for each byte of the file: one bit per value
BYTES = 200  # bytes that a byte of the file may unpack to
SPARE = 1 << 20  # added to both limits, for small files
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
        length = int.from_bytes(content[size - 8 : size - 4], "little")
        if content[:4] != b"PAR1" or content[size - 4 :] != b"PAR1" or length > size - 12:
            raise ValueError("it is not Parquet")
        footer = _Reader(content, size - 8 - length).struct()
        left, unpacked = size, 0
        columns: dict[int, int] = {}
        for group in footer.get(4, ()):
            for number, chunk in enumerate(group[1]):
                if not 0 <= chunk[3][7] <= left:  # or pages that many columns share would each be read many times
                    raise ValueError("its columns are larger than the file")
                left -= chunk[3][7]
                values, more = _chunk(content, chunk[3])
                columns[number] = columns.get(number, 0) + values
                unpacked += more
    most = max(columns.values(), default=0)
    if most > VALUES * size + SPARE or unpacked > BYTES * size + SPARE:
        raise ValueError(f"its {size:,} bytes unpack to {most:,} values and {unpacked:,} bytes, more than any log does")


def _chunk(content: mmap.mmap, about: dict[int, Any]) -> tuple[int, int]:
    """Values and bytes of a column: as stated for the column or summed over its pages, whichever is more."""
    place = min(offset for offset in (about.get(11), about[9]) if offset is not None)
    end, values, unpacked = place + about[7], 0, 0
    while place < end:
        reader = _Reader(content, place)
        page = reader.struct()
        head = page.get(5) or page.get(8) or page.get(7) or {}
        values += head.get(1, 0)
        unpacked += page[2]
        if page[3] < 0 or min(values, unpacked) < 0:
            raise ValueError("a page has a negative size")
        place = reader.place + page[3]
    return max(values, about[5]), max(unpacked, about[6])


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
