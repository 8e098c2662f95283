"""Show the examples of docstrings as code: griffe knows the section by the name `Examples`, motet writes `Example`."""

from __future__ import annotations

from typing import Any

from griffe import Extension, Object


class Examples(Extension):
    """Give each docstring's example the name that griffe reads."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rename the section of an object's docstring."""
        if obj.docstring:
            obj.docstring.value = obj.docstring.value.replace("\nExample:\n", "\nExamples:\n")
