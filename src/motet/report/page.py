"""Page: the sections as one HTML file, with the scripts that draw its charts inside."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from itertools import chain, count

from motet import __version__
from motet.report import comparison, sweep, training
from motet.report.blocks import Figure, Figures, Section
from motet.report.charts import package
from motet.report.palette import style_sheet
from motet.report.runs import Runs

SNIPPET = "window.vegaEmbed = vegaEmbed;"
END = re.compile(r"</(script)", re.IGNORECASE)  # only ever in strings, where `\/` means a slash


def sections(runs: Runs) -> list[Section]:
    """All sections, those that answer the reader's question first.

    Args:
        runs: Contents of the folders.

    Returns:
        Sections; those without data are left out.
    """
    return list(_distinct(section for section in _sections(runs) if section.blocks))


def figures(parts: Sequence[Section]) -> list[Figure]:
    """The charts of some sections.

    Args:
        parts: The sections.

    Returns:
        Charts, in order.
    """
    groups = [block for section in parts for block in section.blocks if isinstance(block, Figures)]
    return [figure for group in groups for figure in group.figures]


def page(runs: Runs, parts: Sequence[Section]) -> str:
    """The page.

    Args:
        runs: Contents of the folders.
        parts: Sections of the page.

    Returns:
        HTML.

    Raises:
        ConfigError: If a package of the extra `report` is not installed.
    """
    jinja2 = package("jinja2")
    text = files("motet.report")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(text.joinpath("page.html").read_text(encoding="utf-8"))
    # Vega replaces the name that the page gives a chart by this description.
    specs = {figure.name: {**figure.spec, "description": figure.title} for figure in figures(parts)}
    found: str = template.render(
        title="Report: " + ", ".join([*runs.comparisons, *runs.trainings, *runs.sweeps]),
        version=__version__,
        head=list(_head(runs)),
        sections=parts,
        colours=style_sheet(),
        styles=text.joinpath("page.css").read_text(encoding="utf-8"),
        specs=json.dumps(specs).replace("<", "\\u003c") if specs else "",
        bundle=_bundle() if specs else "",
    )
    return found


def _sections(runs: Runs) -> Iterator[Section]:
    told: list[tuple[str, Iterator[Section]]] = [
        *((name, comparison.sections(name, each)) for name, each in runs.comparisons.items()),
        *((name, sweep.sections(name, each)) for name, each in runs.sweeps.items()),
        *((name, training.sections(name, each)) for name, each in runs.trainings.items()),
    ]
    for name, parts in told:
        for part in parts:
            yield part if len(told) == 1 else replace(part, title=f"{part.title}: {name}")


def _distinct(parts: Iterable[Section]) -> Iterator[Section]:
    """Number charts whose name is taken: levels 1 and -1, or folders `a b` and `a-b`, have the same."""
    taken: set[str] = set()

    def renamed(figure: Figure) -> Figure:
        numbered = (f"{figure.name}-{number}" for number in count(2))
        name = next(each for each in chain([figure.name], numbered) if each not in taken)
        taken.add(name)
        return replace(figure, name=name)

    for part in parts:
        blocks = [
            Figures([renamed(figure) for figure in block.figures]) if isinstance(block, Figures) else block
            for block in part.blocks
        ]
        yield replace(part, blocks=blocks)


def _head(runs: Runs) -> Iterator[tuple[str, Sequence[str]]]:
    """The verdict, and warnings that weaken it."""
    records = {name: each.record for name, each in runs.trainings.items() if each.record is not None}
    verdicts = [(name, each.verdict) for name, each in runs.comparisons.items()]
    verdicts += [(name, training.verdict(record)) for name, record in records.items()]
    for name, (first, *more) in ((name, verdict) for name, verdict in verdicts if verdict):
        yield "verdict", [first if len(verdicts) == 1 else f"{name}: {first}", *more]
    doubts = dict.fromkeys(warning for each in runs.comparisons.values() for warning in each.warnings)
    doubts |= dict.fromkeys(warning for record in records.values() for warning in record.warnings)
    if doubts:
        yield "warning", [f"Warning: {warning}." for warning in doubts]


@cache  # it takes seconds and is the same for every page
def _bundle() -> str:
    """Vega, Vega-Lite and vega-embed, from the package that draws the files."""
    bundle: str = package("vl_convert").javascript_bundle(SNIPPET, vl_version=vega_lite())
    return END.sub(r"<\\/\1", bundle)


def vega_lite() -> str:
    """The version of Vega-Lite that altair writes.

    Returns:
        Major and minor number, such as `"6.1"`.
    """
    version: str = package("altair").SCHEMA_VERSION
    return ".".join(version.removeprefix("v").split(".")[:2])
