"""The model card: what a model is, what it was trained on and how good it is, for people and for programs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from motet import __version__
from motet.model import Model
from motet.recommender import Recommender

FORMAT = 1
DATA = ("events.parquet", "users.parquet", "items.parquet")
UNKNOWN = "not known: the model was saved without a record of its training"


def card(recommender: Recommender, folder: Path, run: Mapping[str, Any], serving: Mapping[str, str]) -> dict[str, Any]:
    """What is known of a model.

    Args:
        recommender: The model and its log.
        folder: Of the saved model; the hash of the data is taken of its files.
        run: How the model came to be, as `run.json` has it; empty where it was not told.
        serving: What each deployable file is.

    Returns:
        What `card.json` holds.
    """
    log, model = recommender.log, recommender.model
    digest = hashlib.sha256(b"".join((folder / name).read_bytes() for name in DATA)).hexdigest()
    return {
        "format": FORMAT,
        "name": run.get("name", "model"),
        "versions": run.get("versions", {"motet": __version__}),
        "tasks": {name: _task(model, name) for name in model.tasks},
        "preference": model.preference is not None,
        "towers": {"user": type(model.user).__name__, "item": type(model.item).__name__},
        "data": {"sha256": digest, "events": len(log), "users": len(log.users) - 1, "items": len(log.items) - 1},
        "split": run.get("about", UNKNOWN),
        "rows": run.get("rows", {}),
        "seed": run.get("seed"),
        "headlines": run.get("headlines", {}),
        "metrics": run.get("figures", {}),
        "beside": run.get("beside", {}),
        "notes": run.get("notes", []),
        "warnings": run.get("warnings", []),
        "serving": dict(serving),
    }


def markdown(card: Mapping[str, Any]) -> str:
    """The card as a page.

    Args:
        card: What `card` returned.

    Returns:
        Markdown.
    """
    return "\n".join([f"# {card['name']}", "", *_about(card), *_tasks(card), *_figures(card), *_told(card)]) + "\n"


def _task(model: Model, name: str) -> dict[str, Any]:
    return {"kind": type(model.tasks[name]).__name__, "weight": model.weights[name]}


def _about(card: Mapping[str, Any]) -> Iterator[str]:
    data = card["data"]
    yield f"A joint recommender: {card['towers']['user']} of users, {card['towers']['item']} of items."
    yield ""
    yield f"- trained on {data['events']:,} events of {data['users']:,} users with {data['items']:,} items"
    yield f"- data: sha256 `{data['sha256']}`"
    yield f"- split: {card['split']}"
    yield f"- seed: {'not known' if card['seed'] is None else card['seed']}"
    yield f"- versions: {', '.join(f'{name} {version}' for name, version in card['versions'].items())}"
    yield ""


def _tasks(card: Mapping[str, Any]) -> Iterator[str]:
    yield from ("## Tasks", "", "| task | kind | weight |", "|---|---|---|")
    yield from (f"| {_cell(name)} | {task['kind']} | {task['weight']:g} |" for name, task in card["tasks"].items())
    yield ""


def _figures(card: Mapping[str, Any]) -> Iterator[str]:
    yield from ("## Figures", "")
    if not card["metrics"]:
        yield from ("None were kept with the model.", "")
        return
    rules = list(card["beside"])
    yield f"| figure, by its protocol | model | 95 % interval |{''.join(f' {_cell(rule)} |' for rule in rules)}"
    yield "|---|---|---|" + "---|" * len(rules)
    for key, figure in card["metrics"].items():
        others = "".join(f" {_number(card['beside'][rule].get(key, {}).get('value'))} |" for rule in rules)
        ends = f"{_number(figure.get('low'))} to {_number(figure.get('high'))}"
        yield f"| {_cell(key)} | {_number(figure.get('value'))} | {ends} |{others}"
    yield ""


def _told(card: Mapping[str, Any]) -> Iterator[str]:
    for title, lines in (("Warnings", card["warnings"]), ("Notes", card["notes"])):
        if lines:
            yield from (f"## {title}", "", *(f"- {line}" for line in lines), "")
    yield from ("## Files to serve it with", "")
    yield from (f"- `{name}`: {what}" for name, what in card["serving"].items())


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
