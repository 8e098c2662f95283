"""Turn formulas into MathML while the pages are built, so that no page needs a script to show them."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from latex2mathml.converter import convert
from mkdocs.exceptions import PluginError

FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


def on_page_content(html: str, **_: Any) -> str:
    """Replace what arithmatex marked, on every page."""
    return FORMULA.sub(_mathml, html)


def _mathml(found: re.Match[str]) -> str:
    tag, formula = found.groups()
    mathml = convert(unescape(formula), display="block" if tag == "div" else "inline")
    if "\\" in mathml:  # what the converter does not know it copies
        raise PluginError(f"a command in the formula {unescape(formula)} is not known: write it in others")
    return f'<{tag} class="arithmatex">{mathml}</{tag}>'  # a wide formula scrolls in its block, not the page with it
