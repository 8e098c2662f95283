"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import inspect
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import griffe
import pytest
import typer
from mkdocs.exceptions import PluginError

import motet
from motet.cli.app import app
from motet.tasks import Label

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NAME = re.compile(r"^[A-Za-z0-9_.-]+")


def requirements() -> set[str]:
    lines = [*PROJECT["dependencies"], *(line for extra in PROJECT["optional-dependencies"].values() for line in extra)]
    return {NAME.match(line)[0] for line in lines} - {"motet"}  # type: ignore[index]


def test_import_does_no_work() -> None:
    program = "import sys, motet; print(sorted({'torch', 'polars', 'rich', 'typer'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"[]\n"


@pytest.mark.parametrize("name", motet.__all__)
def test_public_name_is_there_and_documented(name: str) -> None:
    assert getattr(motet, name).__doc__
    assert name in dir(motet)


def test_unknown_name_gets_a_hint() -> None:
    with pytest.raises(AttributeError, match="module 'motet' has no attribute 'Modl'; did you mean 'Model'"):
        motet.Modl  # noqa: B018


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_is_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_most_functions_are_short() -> None:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES]
    functions = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert sum(body_lines(function) < 25 for function in functions) >= 0.9 * len(functions)


def body_lines(function: ast.FunctionDef) -> int:
    body = function.body[1:] if ast.get_docstring(function) and function.body[1:] else function.body
    return body[-1].end_lineno - body[0].lineno + 1  # type: ignore[operator]


def test_constructors_take_at_most_eight_arguments() -> None:
    trees = {path.name: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}
    classes = [
        (file, node) for file, tree in trees.items() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
    ]
    for file, node in classes:
        for method in node.body:
            if isinstance(method, ast.FunctionDef) and method.name == "__init__" and not node.name.startswith("_"):
                positional, named = method.args.args[1:], method.args.kwonlyargs
                assert len(positional) + len(named) <= 8, f"{node.name} in {file}"
                assert len(positional) <= 2, f"{node.name} in {file} takes {len(positional)} arguments by position"


@pytest.mark.parametrize("package", sorted(requirements()))
def test_dependency_is_pinned_and_explained(package: str) -> None:
    assert re.search(rf"^{package}==", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    assert f"[{package}]" in page


def test_every_module_is_in_the_reference() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "reference").glob("*.md"))
    modules = [path.relative_to(ROOT / "src").with_suffix("") for path in SOURCES if not path.stem.startswith("__")]
    assert [name for name in map(".".join, (module.parts for module in modules)) if f"::: {name}\n" not in pages] == []


def test_examples_in_the_reference_are_code() -> None:
    extensions = griffe.load_extensions(str(ROOT / "docs" / "hooks" / "examples.py"))
    files = {"__init__.py": inspect.getsource(Label)}
    with griffe.temporary_visited_package("page", files, extensions=extensions, docstring_parser="google") as page:
        assert page["Label"].docstring.parsed[-1].kind is griffe.DocstringSectionKind.examples


def test_formula_with_an_unknown_command_stops_the_build() -> None:
    show = runpy.run_path(str(ROOT / "docs" / "hooks" / "formulas.py"))["on_page_content"]
    assert show(r'<div class="arithmatex">\[x\]</div>').startswith('<div class="arithmatex"><math')
    with pytest.raises(PluginError, match=r"a command in the formula \\arg x is not known"):
        show(r'<div class="arithmatex">\[\arg x\]</div>')


def test_long_names_break_between_their_parts() -> None:
    show = runpy.run_path(str(ROOT / "docs" / "hooks" / "breaks.py"))["on_page_content"]
    assert show("<code>motet.fit(top_k=3.9)</code>") == "<code>motet.<wbr>fit(top_<wbr>k=3.9)</code>"
    assert show("<pre><code>motet.fit\n</code></pre>") == "<pre><code>motet.fit\n</code></pre>"


def test_every_command_is_documented() -> None:
    page = (ROOT / "docs" / "guide" / "cli.md").read_text(encoding="utf-8")
    for command in typer.main.get_command(app).commands.values():  # type: ignore[attr-defined]
        assert f"motet {command.name} " in page or f"motet {command.name}\n" in page, command.name


def test_every_package_folder_has_tests() -> None:
    source, tests = ROOT / "src" / "motet", ROOT / "tests"
    packages = {path.parent.relative_to(source) for path in SOURCES if path.name == "__init__.py"}
    assert packages == {path.parent.relative_to(tests) for path in tests.rglob("test_*.py")}
