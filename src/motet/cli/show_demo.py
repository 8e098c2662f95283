"""How `motet demo` shows what it found out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from motet.cli import printing
from motet.demo import FILM, SEED, USER, Demonstration, Line
from motet.evaluation.corpus import PROTOCOLS

KS = (1, 5, 10, 50, 100)
LEGEND = (
    "RMSE: error of the predicted stars. top-k: share of test rows whose film stands among the first k of all films "
    "(all items), or of those that the user had not rated in training (unseen). Seconds: training and evaluation."
)


def print_for_people(found: Demonstration, folder: Path) -> None:
    """Print tables to stdout.

    Args:
        found: What the demonstration found out.
        folder: Where the best model was saved.
    """
    console = Console(markup=False, highlight=False)
    console.print(comparison(found))
    console.print(f"{found.split} \n{LEGEND} One run, seed {SEED}.\n")
    printing.show(found.top, [USER], "user", found.recommender.items, json=False)
    console.print(f"\nUser {USER} would give {FILM!r} {found.stars:.2f} stars of 5.")
    console.print(f"\nThe best model is in {folder}. Ask it:\n  motet recommend {folder} {USER}")
    console.print(f"  motet similar {folder} {FILM!r}")
    told = "" if found.page is None else f"\nThe report is in {found.page}: open it in a browser."
    console.print(told or "\nNo report was written, for it needs packages: pip install 'motet[report]'")


def print_as_json(found: Demonstration, folder: Path) -> None:
    """Print one JSON document to stdout.

    Args:
        found: What the demonstration found out.
        folder: Where the best model was saved.
    """
    systems = {name: {"figures": dict(line.figures), "seconds": line.seconds} for name, line in found.lines.items()}
    printing.print_json(
        {
            "split": found.split,
            "seed": SEED,
            "systems": systems,
            "recommended": printing.record(found.top, USER, "user"),
            "predicted": {"user": USER, "item": FILM, "tasks": {"rating": found.stars}},
            "model": str(folder),
            "report": None if found.page is None else str(found.page),
        }
    )


def comparison(found: Demonstration) -> Table:
    """Every system under both protocols.

    Args:
        found: What the demonstration found out.

    Returns:
        The table.
    """
    # Narrow enough for a terminal of 80 columns.
    table = Table(title="MovieLens 100K, test rows", title_justify="left", box=box.SIMPLE_HEAD, padding=0)
    table.add_column("system")
    for name in ("RMSE", "", *(f"top-{k}" for k in KS), "seconds"):
        table.add_column(name, justify="left" if name == "" else "right")
    for name, line in found.lines.items():
        for row in _rows(name, line):
            table.add_row(*row)
    return table


def _rows(name: str, line: Line) -> Iterator[list[str]]:
    system, _, weights = name.partition(" (")
    for protocol in PROTOCOLS:
        hits = [_number(line, f"{protocol}/hit_rate@{k}") for k in KS]
        if protocol == PROTOCOLS[0]:
            yield [system, _number(line, "rmse"), protocol, *hits, f"{line.seconds:.1f}"]
        else:
            yield [weights and f"  ({weights}", "", protocol, *hits, ""]


def _number(line: Line, metric: str) -> str:
    """A figure, whatever task or baseline it is of."""
    found = [value for key, value in line.figures.items() if key.partition("/")[2] == metric]
    return f"{found[0]:.3f}" if found else "-"
