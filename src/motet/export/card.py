"""The model card: what a model is, what it was trained on and its metrics, as JSON and as a page."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from motet import __version__
from motet.artifact.reading import EVENTS, SIDES
from motet.artifact.saved import RUN
from motet.artifact.sealed import read_document
from motet.calibration import calibrated
from motet.index import ApproximateIndex
from motet.metrics.text import number
from motet.recommender import Recommender

CARD, PAGE = "card.json", "card.md"
FORMAT = 1
FUSION = "weighted sum of scores standardised over the candidates"
DATA = (EVENTS, *SIDES)
UNKNOWN = "unknown: the model was saved without a record of its training"
UNSPLIT = "none: the model was trained on all rows"


def read_card(recommender: Recommender, folder: Path) -> dict[str, Any]:
    """Read the card of an artifact, or make the card of a saved model.

    Args:
        recommender: The model and its log.
        folder: The folder with the files, already checked against the manifest.

    Returns:
        The content of `card.json`.

    Raises:
        ArtifactError: If the card is not valid JSON.
    """
    if not (folder / CARD).exists():
        return card(recommender, folder, {})
    return _strict(read_document(folder, CARD, str(folder)))


def card(recommender: Recommender, folder: Path, serving: Mapping[str, str]) -> dict[str, Any]:
    """Make the card of a model.

    Args:
        recommender: The model and its log.
        folder: Folder of the saved model. Its data files are hashed; its `run.json`, if present, describes the
            training.
        serving: Description of each deployable file.

    Returns:
        The content of `card.json`.

    Raises:
        ArtifactError: If `run.json` is not valid JSON.
    """
    log, model = recommender.log, recommender.model
    run = read_document(folder, RUN, str(folder)) if (folder / RUN).exists() else {}
    digest = hashlib.sha256(b"".join((folder / name).read_bytes() for name in DATA)).hexdigest()
    found = {
        "format": FORMAT,
        "name": run.get("name", "model"),
        "versions": run.get("versions", {"motet": __version__}),
        "tasks": {name: _task(recommender, name) for name in model.tasks},
        "calibration": {name: asdict(each) for name, each in calibrated(model).items()},
        "fusion": {"method": FUSION, "by": recommender.by},
        "index": _index(recommender),
        "preference": model.preference is not None,
        "towers": {"user": type(model.user).__name__, "item": type(model.item).__name__},
        "data": {"sha256": digest, "events": len(log), "users": len(log.users) - 1, "items": len(log.items) - 1},
        "split": run.get("about", UNKNOWN) or UNSPLIT,
        "rows": run.get("rows", {}),
        "seed": run.get("seed"),
        "headlines": run.get("headlines", {}),
        "metrics": run.get("figures", {}),
        "beside": run.get("beside", {}),
        "notes": run.get("notes", []),
        "warnings": run.get("warnings", []),
        "serving": dict(serving),
    }
    return _strict(found)


def markdown(card: Mapping[str, Any]) -> str:
    """Format a card as a page.

    Args:
        card: The result of `card`.

    Returns:
        Markdown.
    """
    parts = (_about, _tasks, _calibration, _figures, _told)
    return "\n".join([f"# {card['name']}", "", *(line for part in parts for line in part(card))]) + "\n"


def _strict(document: Mapping[str, Any]) -> dict[str, Any]:
    """Replace NaN and infinity, which strict JSON does not allow, by null."""
    strict: dict[str, Any] = json.loads(json.dumps(document), parse_constant=lambda _: None)
    return strict


def _task(recommender: Recommender, name: str) -> dict[str, Any]:
    task = recommender.model.tasks[name]
    weights = {"weight": recommender.model.weights[name], "by": recommender.by[name]}
    return {"kind": type(task).__name__, "unit": task.unit.name, "range": task.unit.ends, **weights}


def _index(recommender: Recommender) -> dict[str, Any]:
    index = recommender.ranker.index
    told = {"shortlist": index.shortlist} if isinstance(index, ApproximateIndex) else {}
    return {"kind": type(index).__name__, **told}


def _about(card: Mapping[str, Any]) -> Iterator[str]:
    data = card["data"]
    yield f"A joint recommender: {card['towers']['user']} for users, {card['towers']['item']} for items."
    yield ""
    yield f"- trained on {data['events']:,} events of {data['users']:,} users and {data['items']:,} items"
    yield f"- data: sha256 `{data['sha256']}`"
    yield f"- split: {card['split']}"
    yield f"- seed: {'unknown' if card['seed'] is None else card['seed']}"
    yield f"- versions: {', '.join(f'{name} {version}' for name, version in card['versions'].items())}"
    yield f"- index: {', '.join(map(str, card['index'].values()))}"
    yield ""


def _tasks(card: Mapping[str, Any]) -> Iterator[str]:
    heads = "| task | kind | unit | range | loss weight | weight in recommendations |"
    yield from ("## Tasks", "", heads, "|---|---|---|---|---|---|")
    for name, task in card["tasks"].items():
        ends = "" if task["range"] is None else "{:g} to {:g}".format(*task["range"])
        about = f"{task['kind']} | {_cell(task['unit'])} | {ends} | {task['weight']:g} | {task['by']:g}"
        yield f"| {_cell(name)} | {about} |"
    yield from ("", f"Recommendations are ordered by the {card['fusion']['method']}.", "")


def _calibration(card: Mapping[str, Any]) -> Iterator[str]:
    if not card["calibration"]:
        return
    yield from ("## Calibration", "", "| probability | rows | error before | error after | slope | offset |")
    yield "|---|---|---|---|---|---|"
    for name, each in card["calibration"].items():
        figures = " | ".join(_number(each[key]) for key in ("before", "after", "slope", "offset"))
        yield f"| {_cell(name)} | {each['rows']:,} | {figures} |"
    yield from ("", "Errors are measured on validation rows: each half with the line fitted on the other half.", "")


def _figures(card: Mapping[str, Any]) -> Iterator[str]:
    yield from ("## Metrics", "")
    if not card["metrics"]:
        yield from ("No metrics were saved with the model.", "")
        return
    rules = list(card["beside"])
    yield f"| metric, with its protocol | model | 95 % interval |{''.join(f' {_cell(rule)} |' for rule in rules)}"
    yield "|---|---|---|" + "---|" * len(rules)
    for key, figure in card["metrics"].items():
        others = "".join(f" {_number(card['beside'][rule].get(key, {}).get('value'))} |" for rule in rules)
        ends = " to ".join(_number(figure[end]) for end in ("low", "high") if figure.get(end) is not None)
        yield f"| {_cell(key)} | {_number(figure.get('value'))} | {ends} |{others}"
    yield ""


def _told(card: Mapping[str, Any]) -> Iterator[str]:
    for title, lines in (("Warnings", card["warnings"]), ("Notes", card["notes"])):
        if lines:
            yield from (f"## {title}", "", *(f"- {line}" for line in lines), "")
    yield from ("## Files for serving", "")
    yield from (f"- `{name}`: {what}" for name, what in card["serving"].items())


def _number(value: float | None) -> str:
    return "" if value is None else number(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
