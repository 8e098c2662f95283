"""The job of a worker in a comparison: train one system with one seed, and evaluate it on the test rows."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from motet.compare.lists import Lists
from motet.compare.rules import judged, rules
from motet.compare.systems import Contender
from motet.compare.trial import Trial
from motet.compare.work import Declaration, rows_of
from motet.evaluation import Report, evaluate
from motet.evaluation.intervals import counts
from motet.project import Divided, Project


def on_seed(trial: Trial, declaration: Declaration, contender: Contender, seed: Mapping[str, int], draws: int) -> Trial:
    """Train or fit a system, and evaluate it on the test rows and on bootstrap samples of their users.

    Args:
        trial: The started trial.
        declaration: The project.
        contender: The system.
        seed: The settings that the seed changes.
        draws: Number of bootstrap samples of users.

    Returns:
        The finished trial. Its memory holds, by key of a metric, `draws` (the metric on each sample), `users` (how many
        it was measured on) and `bias`; for a trained system also `history`; for the joint model also `about`, `notes`,
        `warnings` and `curves`.
    """
    started = time.perf_counter()
    project = declaration.project({**seed, **contender.changes})
    rows = rows_of(project)
    assert rows.test is not None
    told: dict[str, Any] = {}
    lists = Lists.of(declaration.project(seed), rows)
    if contender.kind == "baseline":
        reports = _ruled(project, rows, contender.name, lists)
    else:
        reports, told = _trained(project, rows, lists, joint=contender.kind == "joint")
    users = len(rows.train.users)
    figures = {key: figure for one in reports for key, figure in one.items() if not math.isnan(figure)}
    memory = {
        "draws": {key: each for one in reports for key, each in _resampled(one, users, draws).items()},
        "users": {key: one.judged(key).users for one in reports for key in one if key in figures},
        "bias": {
            key: part.bias(key, part.users, users) for one in reports for part in one.evidence for key in part.keys
        },
        **told,
    }
    return replace(trial, state="done", figures=figures, memory=memory, seconds=time.perf_counter() - started)


def _ruled(project: Project, rows: Divided, name: str, lists: Lists | None) -> list[Report]:
    assert rows.test is not None
    model = project.model(rows.train)
    tasks = {name: task for name, task in model.tasks.items() if model.weights[name] > 0}
    fitted = [(place, place.make(rows.train)) for place in rules(project, tasks)[name]]
    found = [judged(fitted, model, rows.test, rows.train)]
    serving = next((rule for place, rule in fitted if place.part is None), None)
    return found if serving is None or lists is None else [*found, lists.judge(serving)]


def _trained(
    project: Project, rows: Divided, lists: Lists | None, *, joint: bool
) -> tuple[list[Report], dict[str, Any]]:
    assert rows.test is not None
    model = project.model(rows.train)
    history = project.learn(model, rows)
    report = evaluate(model, rows.test, train=rows.train, baselines=joint, thorough=joint)
    told: dict[str, Any] = {"history": history.to_dicts()}
    if joint:
        curves = report.to_dict()["curves"]
        notes = [*report.notes, *([] if lists is None else lists.demand.notes(lists.length, None))]
        told |= {"about": rows.report, "notes": notes, "warnings": [*report.warnings], "curves": curves}
    if lists is None:
        return [report], told
    return [report, lists.judge(project.product(model, rows.train))], told


def _resampled(report: Report, users: int, draws: int) -> dict[str, list[float]]:
    """Metrics on bootstrap samples of users.

    Users are numbered by their row in the vocabulary, which no split changes. So sample n has the same users for every
    task, system and seed: differences are paired, and means over tasks and seeds have the right variance.
    """
    found: dict[str, list[torch.Tensor]] = {}
    parts = [(key, part.spread(key, part.users, users)) for part in report.evidence if len(part) for key in part.keys]
    for block in counts(users, draws, 0):
        for key, figure in parts:
            found.setdefault(key, []).append(figure(block))
    return {key: [float(f"{each:.7g}") for each in torch.cat(blocks).tolist()] for key, blocks in found.items()}
