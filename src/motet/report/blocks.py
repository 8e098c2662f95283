"""Blocks: what a section of the report consists of, before it is a page or files."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from motet.compare.comparison import Estimate


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
    """Names and what they are.

    Attributes:
        pairs: By name.
    """

    kind: ClassVar[str] = "facts"
    pairs: Mapping[str, str]


@dataclass(frozen=True)
class Code:
    """Text as it stands in a file, folded up.

    Attributes:
        title: What is seen of it.
        text: What is behind.
    """

    kind: ClassVar[str] = "code"
    title: str
    text: str


@dataclass(frozen=True)
class Table:
    """Rows of text.

    Attributes:
        title: Above it.
        columns: Their names.
        rows: As many cells each.
        words: How many columns, from the left, are words; the others are numbers, set to the right.
        own: The rows, from 0, that are about the model itself.
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
        name: Of its files, unique in a report.
        title: Above it.
        spec: Vega-Lite, with colours as `var(--name)`: see `motet.report.palette`.
        text: What is to be seen, a sentence.
    """

    name: str
    title: str
    spec: Mapping[str, Any]
    text: str = ""


@dataclass(frozen=True)
class Figures:
    """Charts side by side, where there is room.

    Attributes:
        figures: The charts.
    """

    kind: ClassVar[str] = "figures"
    figures: Sequence[Figure]


@dataclass(frozen=True)
class Cards:
    """Tables that belong together, each folded up but the first.

    Attributes:
        cards: By the title of each, what is in it.
    """

    kind: ClassVar[str] = "cards"
    cards: Mapping[str, Sequence[Text | Table]]


Block = Text | Facts | Code | Table | Figures | Cards


@dataclass(frozen=True)
class Section:
    """A part of the report.

    Attributes:
        title: Its heading.
        blocks: What it holds; a section without a block is left out.
    """

    title: str
    blocks: Sequence[Block] = field(default_factory=list)


def number(value: float) -> str:
    """A figure with as many digits as a reader compares.

    Args:
        value: The figure.

    Returns:
        Three significant digits at least; a dash where it is not known.

    Example:
        >>> number(0.89432), number(0.004217), number(1234.5), number(float("nan"))
        ('0.894', '0.00422', '1,234', '-')
    """
    if math.isnan(value):
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3f}" if abs(value) >= 0.1 or value == 0 else f"{value:#.3g}"


def interval(estimate: Estimate) -> str:
    """Between what and what a figure is.

    Args:
        estimate: The figure.

    Returns:
        A text; empty where there is no interval.
    """
    return "" if math.isnan(estimate.low) else f"{number(estimate.low)} to {number(estimate.high)}"


def spoken(key: str) -> str:
    """The key of a figure as a reader reads it.

    Args:
        key: Of the figure.

    Returns:
        A text.

    Example:
        >>> spoken("retrieval/unseen/ndcg@10"), spoken("rating/rmse")
        ('retrieval: ndcg@10, unseen', 'rating: rmse')
    """
    task, *protocol, metric = key.split("/")
    return f"{task}: {', '.join([metric, *protocol])}"


def named(*parts: str) -> str:
    """A name that a file and an element of a page may have.

    Args:
        *parts: Of the name: a folder, the key of a figure.

    Returns:
        Letters, digits and single dashes.

    Example:
        >>> named("model", "retrieval/unseen/ndcg@10"), named("rating/>= 4")
        ('model-retrieval-unseen-ndcg-10', 'rating-4')
    """
    return re.sub(r"\W+", "-", "-".join(parts)).strip("-")
