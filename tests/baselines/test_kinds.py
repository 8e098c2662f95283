"""Every baseline that motet exports can be named in a project file."""

from __future__ import annotations

import inspect

from motet import baselines
from motet.baselines import Baseline, Popularity, Touched
from motet.data.log import EventLog
from motet.project.kinds import offered
from motet.project.part import Part


def test_all_are_offered() -> None:
    exported = [getattr(baselines, name) for name in baselines.__all__]
    concrete = {each.__name__ for each in exported if issubclass(each, Baseline) and not inspect.isabstract(each)}
    assert set(offered(Baseline)) == concrete
    assert len(concrete) == 11


def test_made_from_a_table(tastes: EventLog) -> None:
    fading = {"kind": "Rows", "half_life_days": 2.0}
    table = {"kind": "Popularity", "name": "of late", "window_days": 3.0, "where": fading}
    late = Part.of(table, offered(Baseline), "[[baselines]] 1").make(log=tastes)
    assert isinstance(late, Popularity)
    assert late.name == "of late"
    assert late.rows.half_life_days == 2
    rule = {"kind": "Touched", "touched": "kind == 1", "where": "kind == 2"}
    assert isinstance(Part.of(rule, offered(Baseline), "[[baselines]] 2").make(log=tastes), Touched)
