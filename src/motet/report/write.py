"""write_report: the page and its figures, in a folder that is written completely or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from motet.artifact.folder import Kind, check_free, write_folder
from motet.report.blocks import Section
from motet.report.charts import package
from motet.report.page import figures, page, sections, vega_lite
from motet.report.palette import in_light
from motet.report.runs import Runs

PAGE, FIGURES = "report.html", "figures"
WIDTH, SCALE = 560, 2  # pixels of a figure's width in a file, and PNG pixels for each of them


def write_report(runs: Runs, output: str | Path) -> Path:
    """Write the page, and its figures as PNG and SVG beside it. An older report is replaced only when all is written.

    Args:
        runs: What there is to report.
        output: A new or empty folder, or the folder of a report.

    Returns:
        Path of the page.

    Raises:
        ConfigError: If the extra `report` is not installed, or `output` is a file or a folder of something else.
        ArtifactError: If the disk is full or cannot be written.

    Example:
        >>> write_report(read_runs(["model/", "sweep/"]), "report")  # doctest: +SKIP
    """
    check_free(output, Kind.REPORT)
    parts = sections(runs)
    write_folder(output, _files(page(runs, parts), parts), kind=Kind.REPORT)
    return Path(output) / PAGE


def _files(html: str, parts: Sequence[Section]) -> Iterator[tuple[str, bytes]]:
    drawn = package("vl_convert")
    version = vega_lite()
    yield PAGE, html.encode()
    for figure in figures(parts):
        spec = json.dumps(in_light({**figure.spec, "width": WIDTH, "title": figure.title}))  # no caption goes with it
        svg = drawn.vegalite_to_svg(spec, vl_version=version)
        yield f"{FIGURES}/{figure.name}.svg", svg.encode()
        yield f"{FIGURES}/{figure.name}.png", drawn.svg_to_png(svg, scale=SCALE)
