"""Blocks: the contents of the report's sections, before they become a page or files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True)
class Text:
    """Paragraphs.

    Attributes:
        paragraphs: One text each.
        tone: `plain`, `verdict`, `note` or `warning`.
    """

    kind: ClassVar[str] = "text"
    paragraphs: Sequence[str]
    tone: str = "plain"


@dataclass(frozen=True)
class Facts:
    """Names and values.

    Attributes:
        pairs: Values by name.
    """

    kind: ClassVar[str] = "facts"
    pairs: Mapping[str, str]


@dataclass(frozen=True)
class Code:
    """The text of a file, folded until the reader opens it.

    Attributes:
        title: Shown while it is folded.
        text: The text.
    """

    kind: ClassVar[str] = "code"
    title: str
    text: str


@dataclass(frozen=True)
class Table:
    """Rows of text.

    Attributes:
        title: Its caption.
        columns: Names of the columns.
        rows: Cells of each row.
        words: How many columns, from the left, hold words; the others hold numbers and are aligned right.
        own: Rows, counted from 0, that are about the model itself; they are set in bold.
    """

    kind: ClassVar[str] = "table"
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1
    own: Sequence[int] = ()


@dataclass(frozen=True)
class Figure:
    """A chart.

    Attributes:
        name: Name of its files, unique in a report.
        title: Its caption.
        spec: Vega-Lite, with colours as `var(--name)`: see `motet.report.palette`.
        text: A sentence below it.
    """

    name: str
    title: str
    spec: Mapping[str, Any]
    text: str = ""


@dataclass(frozen=True)
class Figures:
    """Charts, side by side where there is room.

    Attributes:
        figures: The charts.
    """

    kind: ClassVar[str] = "figures"
    figures: Sequence[Figure]


@dataclass(frozen=True)
class Cards:
    """Groups of tables; all but the first are folded.

    Attributes:
        cards: Contents of each group, by its title.
    """

    kind: ClassVar[str] = "cards"
    cards: Mapping[str, Sequence[Text | Table]]


Block = Text | Facts | Code | Table | Figures | Cards


@dataclass(frozen=True)
class Section:
    """A part of the report.

    Attributes:
        title: Its heading.
        blocks: Its contents; a section without any is left out.
    """

    title: str
    blocks: Sequence[Block] = field(default_factory=list)
