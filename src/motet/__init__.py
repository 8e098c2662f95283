"""Joint recommenders: several kinds of feedback, one model.

Names are imported when they are first used, so that `import motet` costs nothing.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"

__all__: list[str] = []


def __getattr__(name: str) -> Any:
    raise AttributeError(name)
