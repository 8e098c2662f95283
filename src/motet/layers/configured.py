"""Configured: a module that knows its constructor arguments."""

from __future__ import annotations

import inspect
from typing import Any

from torch import nn

from motet.arguments import Checked


class Configured(Checked, nn.Module):
    """Base of modules that keep every constructor argument as an attribute of the same name, for `config`.

    Example:
        >>> class Scale(Configured):
        ...     def __init__(self, factor=2.0):
        ...         super().__init__()
        ...         self.factor = factor
        >>> Scale(3.0).config()
        {'factor': 3.0}
    """

    def config(self) -> dict[str, Any]:
        """The constructor's arguments by name, to save the part with a model."""
        named = inspect.signature(type(self)).parameters.values()
        starred = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)  # of classes without a constructor
        return {parameter.name: getattr(self, parameter.name) for parameter in named if parameter.kind not in starred}
