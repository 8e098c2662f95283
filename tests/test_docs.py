"""The Python and bash blocks of README.md and of the documentation run, page by page, in the order they are written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(python|bash)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a page may write files
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    text = page.read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": "page"}
    for block in BLOCK.finditer(text):
        language, source = block.groups()
        if language == "python":
            above = "\n" * text.count("\n", 0, block.start(2))  # so that a traceback names the line of the page
            exec(compile(above + source, page, "exec", dont_inherit=True), names)
        else:
            subprocess.run(["bash", "-euo", "pipefail", "-c", source], check=True)
