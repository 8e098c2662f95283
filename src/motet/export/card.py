"""The model card: what a model is, what it was trained on and how good it is, for people and for programs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from motet import __version__
from motet.artifact.saved import RUN
from motet.artifact.sealed import read_document
from motet.calibration import calibrated
from motet.index import ApproximateIndex
from motet.recommender import Recommender

CARD, PAGE = "card.json", "card.md"
FORMAT = 1
FUSION = "weighted sum of scores standardised over the candidates"
DATA = ("events.parquet", "users.parquet", "items.parquet")
UNKNOWN = "not known: the model was saved without a record of its training"


def read_card(recommender: Recommender, folder: Path) -> dict[str, Any]:
    """The card of an artifact; of a saved model, what it would be.

    Args:
        recommender: The model and its log.
        folder: Where the files lie, already checked against the manifest.

    Returns:
        What `card.json` holds.

    Raises:
        ArtifactError: If the card is not JSON.
    """
    if not (folder / CARD).exists():
        return card(recommender, folder, {})
    return _strict(read_document(folder, CARD, str(folder)))


def card(recommender: Recommender, folder: Path, serving: Mapping[str, str]) -> dict[str, Any]:
    """What is known of a model.

    Args:
        recommender: The model and its log.
        folder: Of the saved model; the hash of the data is taken of its files, and how the model came to be of its
            `run.json`, if it has one.
        serving: What each deployable file is.

    Returns:
        What `card.json` holds.

    Raises:
        ArtifactError: If `run.json` is no JSON.
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
    return _strict(found)


def markdown(card: Mapping[str, Any]) -> str:
    """The card as a page.

    Args:
        card: What `card` returned.

    Returns:
        Markdown.
    """
    parts = (_about, _tasks, _calibration, _figures, _told)
    return "\n".join([f"# {card['name']}", "", *(line for part in parts for line in part(card))]) + "\n"


def _strict(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with null for NaN and infinity, which Python writes and strict JSON does not have."""
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
    yield f"A joint recommender: {card['towers']['user']} of users, {card['towers']['item']} of items."
    yield ""
    yield f"- trained on {data['events']:,} events of {data['users']:,} users with {data['items']:,} items"
    yield f"- data: sha256 `{data['sha256']}`"
    yield f"- split: {card['split']}"
    yield f"- seed: {'not known' if card['seed'] is None else card['seed']}"
    yield f"- versions: {', '.join(f'{name} {version}' for name, version in card['versions'].items())}"
    yield f"- index: {', '.join(map(str, card['index'].values()))}"
    yield ""


def _tasks(card: Mapping[str, Any]) -> Iterator[str]:
    heads = "| task | kind | unit | range | weight of its loss | weight in recommendations |"
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
    yield from ("", "Errors are those of validation rows, each half judged by the line of the other half.", "")


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
