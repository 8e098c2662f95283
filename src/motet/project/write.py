"""write: tables as a TOML file with the meaning of every setting."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

import tomlkit
from pydantic import BaseModel
from tomlkit import TOMLDocument
from tomlkit.items import Table

from motet.balancers import Balancer
from motet.data.schema import Schema
from motet.project.document import Data, Document
from motet.project.guess import Guess
from motet.project.kinds import SPLITS, offered
from motet.project.meanings import meanings, summary
from motet.project.settings import Setting, choices, kinds_of, settings
from motet.project.suggest import Tables
from motet.recommender import Recommender
from motet.tasks import Task
from motet.towers import Tower
from motet.train import fit
from motet.trunks import Trunk

WIDTH = 110
KINDS: Mapping[str, Callable[[], Mapping[str, Callable[..., Any]]]] = {
    "split": lambda: SPLITS,
    "towers": lambda: offered(Tower),
    "tasks": lambda: offered(Task),
    "balancer": lambda: offered(Balancer),
    "validation": lambda: SPLITS,
    "trunk": lambda: offered(Trunk),
}


def write(tables: Tables, found: Guess, *, explain: bool = False) -> str:
    """Write a commented project file.

    Args:
        tables: Its tables.
        found: The guessed roles of the columns, with reasons.
        explain: Whether settings that are not given are listed too, commented out, with their defaults.

    Returns:
        TOML; the comments are taken from the docstrings.
    """
    document = tomlkit.document()
    _say(document, "A motet project. Every guess is marked: review the file, then run motet check and motet train.")
    _say(document, 'For a setting whose description mentions None, write "none" or leave it out.')
    document.add("data", _table(tables["data"], Data, _about("data"), explain=explain))
    document.add("schema", _schema(tables["schema"], found, explain=explain))
    document.add("split", _part("split", tables["split"], explain=explain))
    towers = tomlkit.table(is_super_table=True)
    for side, tower in tables["towers"].items():
        towers.add(side, _part("towers", tower, f"The tower of the {side}s.", explain=explain))
    document.add("towers", towers)
    tasks = tomlkit.aot()
    for task in tables["tasks"]:
        tasks.append(_part("tasks", task, explain=explain))
    document.add("tasks", tasks)
    document.add("weights", _table(tables["weights"], None, _about("weights"), explain=False))
    document.add("balancer", _part("balancer", tables["balancer"], explain=explain))
    document.add("training", _table(tables["training"], fit, _about("training"), explain=explain))
    for name in ("validation", "sessions", "recent", "trunk", "preference"):
        if name not in tables:
            _say(document, f"Optional: [{name}]. {_about(name)}{_kinds(name)}")
    _say(document, f"Optional: [[mix]]. {_about('mix')}")
    for name in ("pairs", "lists"):
        _say(document, f"Optional: [{name}]. {_about(name)}")
    _recommend(document, tables.get("recommend", {}), tables.get("offered", {}), explain=explain)
    return tomlkit.dumps(document).strip() + "\n"


def _recommend(document: TOMLDocument, given: Tables, offered: Tables, *, explain: bool) -> None:
    """The table of what users get, and settings of it that are commented out."""
    about, example = _about("recommend"), "For example, with the first # of each line removed:"
    if given:
        own = _table(given, Recommender, about, explain=explain)
        down = " and ".join(name for name, weight in given["by"].items() if weight < 0)
        own["by"].comment(f"guessed: {down} speaks against an item, and a negative weight moves it down")
        document.add("recommend", own)
        _say(document, example if offered else "")
    else:
        _say(document, f"Optional: [recommend]. {about} {example if offered else ''}")
    if offered or (explain and not given):
        table = tomlkit.table()
        _settings(table, offered, Recommender, explain=explain and not given)
        for line in tomlkit.dumps({"recommend": table}).strip().splitlines()[bool(given) :]:
            document.add(tomlkit.comment(line))


def _kinds(name: str) -> str:
    return f" Kinds: {', '.join(KINDS[name]()) or 'none'}." if name in KINDS else ""


def _about(table: str) -> str:
    return meanings(Document)[table]


def _say(table: Any, text: str, *, indent: str = "") -> None:
    for line in textwrap.wrap(_readable(text), WIDTH, initial_indent=indent, subsequent_indent=indent):
        table.add(tomlkit.comment(line))


def _readable(text: str) -> str:
    """The text of a docstring without its markup."""
    return re.sub(r",? ?\$[^$]*\$", "", text).replace("`", "")


def _part(name: str, given: Tables, about: str = "", *, explain: bool) -> Table:
    """A table with a kind."""
    kinds = KINDS[name]()
    target = kinds[given["kind"]]
    table = tomlkit.table()
    _say(table, about or (_about(name) if name != "tasks" else summary(target)))
    table.add("kind", given["kind"])
    table["kind"].comment(_readable(summary(target)) if name != "tasks" else f"kinds: {', '.join(kinds)}")
    if name != "tasks" and explain:
        for other in kinds:
            if other != given["kind"]:
                _say(table, f'kind = "{other}": {summary(kinds[other])}')
    _settings(table, {key: value for key, value in given.items() if key != "kind"}, target, explain=explain)
    return table


def _table(given: Tables, target: Any, about: str, *, explain: bool) -> Table:
    table = tomlkit.table()
    _say(table, about)
    if target is None:
        for name, value in given.items():
            table.add(name, value)
    elif isinstance(target, type) and issubclass(target, BaseModel):
        told = meanings(target)
        for name in target.model_fields:
            if name in given:
                table.add(name, given[name])
                table[name].comment(told[name])
            elif explain:
                _say(table, f"{name} = ...  {told[name]}")
    else:
        _settings(table, given, target, explain=explain)
    return table


def _settings(table: Table, given: Tables, target: Callable[..., Any], *, explain: bool) -> None:
    """Settings with their meanings; if asked for, those not given as comments."""
    for name, setting in settings(target).items():
        if name in given:
            _say(table, setting.meaning)
            table.add(name, _value(given[name]))
        elif explain:
            _say(table, setting.meaning)
            _say(table, f"{name} = {_default(setting)}", indent="    ")


def _value(value: Any) -> Any:
    if isinstance(value, list):
        return [_value(each) for each in value]
    if not isinstance(value, dict):
        return value
    inline = tomlkit.inline_table()
    inline.update(value)
    return inline


def _default(setting: Setting) -> str:
    """The default in TOML, and the alternatives."""
    options = [*choices(setting.hint), *kinds_of(setting.hint)]
    others = f"  (one of {', '.join(options)})" if options else ""
    default = setting.default
    if not isinstance(default, str | int | float | tuple | list):
        return f"...  (none by default){others}"
    return tomlkit.item(list(default) if isinstance(default, tuple) else default).as_string() + others


def _schema(given: Tables, found: Guess, *, explain: bool) -> Table:
    """The columns, each with the reason for the guess."""
    told = meanings(Schema)
    table = tomlkit.table()
    _say(table, _about("columns").partition(" The table")[0])
    for name in ("user", "item", "time", "event"):
        if name in given:
            table.add(name, given[name])
            table[name].comment(_why(found, given[name]))
        else:
            _say(table, f"{name} = ...  {told[name]}")
    table.add("signals", given["signals"])
    for name in given["signals"]:
        _say(table, f"guessed: {name} {found.why[name]}")
    for name, why in found.left.items():
        _say(table, f"not used: {name} ({why})")
    for role in ("user_features", "item_features", "context_features"):
        if role in given:
            table.add(role, _features(given[role], found, told[role], explain=explain))
    return table


def _why(found: Guess, name: str) -> str:
    why = found.why[name]
    return why if why.startswith("as given") else f"guessed: {why}"


def _features(given: Tables, found: Guess, about: str, *, explain: bool) -> Table:
    table = tomlkit.table()
    _say(table, about)
    if explain:
        for kind in kinds_of(next(iter(settings(Schema)["user_features"].hint.__args__[1:]))).values():
            _say(table, f"{kind.__name__}: {summary(kind)}")
    for name, kind in given.items():
        table.add(name, _value(kind))
        table[name].comment(f"guessed: {found.why[name]}")
    return table
