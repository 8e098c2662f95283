"""Let long names break after a dot or an underscore, instead of anywhere, where a column is narrow."""

from __future__ import annotations

import re
from typing import Any

CODE = re.compile(r"<code>[^<\n]+</code>")  # a block has several lines
PLACE = re.compile(r"(?<=[A-Za-z][._])(?=\w)")


def on_page_content(html: str, **_: Any) -> str:
    """Mark where the names in a page's inline code may break."""
    return CODE.sub(lambda code: PLACE.sub("<wbr>", code[0]), html)
