"""Palette: every colour of the report, in light and in dark.

Charts name colours as `var(--name)`. In the page the browser takes them from the style sheet, so that one chart works
in both schemes; in files they are replaced by the light colours.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', sans-serif"

COLOURS = {
    "page": ("#ffffff", "#14161a"),
    "card": ("#f6f7f9", "#1d2026"),
    "line": ("#dcdfe5", "#343943"),
    "text": ("#1b1f24", "#e6e8ec"),
    "quiet": ("#5b6470", "#a0a8b4"),
    "grey": ("#b3b9c2", "#5d6672"),
    "warn": ("#8a4b00", "#ffc078"),
    "warned": ("#fff4e0", "#33270f"),
    "c1": ("#3451d1", "#8ea2ff"),
    "c2": ("#d9480f", "#ffa15c"),
    "c3": ("#237a36", "#6bd083"),
    "c4": ("#8f2eab", "#dd8df2"),
    "c5": ("#0b7285", "#5fd3e6"),
    "c6": ("#b81f54", "#ff9dbb"),
    "c7": ("#8a6d00", "#f2d24b"),
    "c8": ("#4a5563", "#c3cad4"),
}
SERIES = [f"var(--c{number})" for number in range(1, 9)]
GREY, TEXT, QUIET, LINE = "var(--grey)", "var(--text)", "var(--quiet)", "var(--line)"
OWN = SERIES[0]

CONFIG: Mapping[str, Any] = {
    "font": FONT,
    "background": "transparent",
    "view": {"stroke": None},
    "axis": {
        **{"labelColor": QUIET, "titleColor": QUIET, "titleFontWeight": "normal", "labelFontSize": 12},
        **{"titleFontSize": 12, "gridColor": LINE, "domainColor": LINE, "tickColor": LINE, "titlePadding": 8},
    },
    # Pixels from an end of the axis within which a label is pushed inside: centred on its tick it would be cut off.
    # Pushed inside, it may come too close to the next one, which is left out then.
    "axisX": {"labelFlush": 20, "labelSeparation": 6},
    "legend": {
        **{"labelColor": TEXT, "labelFontSize": 12, "orient": "top", "title": None, "columns": 3, "labelLimit": 150},
        **{"symbolStrokeWidth": 2, "symbolOpacity": 1, "offset": 6, "padding": 0},
    },
    "range": {"category": SERIES},
    "rule": {"color": TEXT},
    "text": {"color": TEXT, "fontSize": 12},
    "title": {"color": TEXT, "anchor": "start", "fontSize": 13, "offset": 12},
}


def style_sheet() -> str:
    """The colours as CSS variables.

    Returns:
        CSS: light, or dark if the reader's system is.
    """
    light, dark = (";".join(f"--{name}:{pair[at]}" for name, pair in COLOURS.items()) for at in (0, 1))
    return f":root{{color-scheme:light dark;{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"


def in_light(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A chart with the light colours on white, for files.

    Args:
        spec: Vega-Lite with colours as `var(--name)`.

    Returns:
        Vega-Lite with colours as hexadecimal numbers.

    Example:
        >>> in_light({"mark": {"color": "var(--c1)"}})["mark"]
        {'color': '#3451d1'}
    """
    text = json.dumps(spec)
    for name, (light, _) in COLOURS.items():
        text = text.replace(f"var(--{name})", light)
    found: dict[str, Any] = json.loads(text)
    return found | {"background": COLOURS["page"][0]}
