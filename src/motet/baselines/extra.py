"""extra: packages that a baseline alone needs, imported when it is fitted."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any

from motet.errors import ConfigError


def imported(module: str, needed_by: str) -> Any:
    """Import a module of an optional package.

    Args:
        module: Its name.
        needed_by: Who asks, for the message.

    Returns:
        The module.

    Raises:
        ConfigError: If its package is not installed; the message says how to get it.
    """
    try:
        with warnings.catch_warnings():
            # myfm asks setuptools for its own version, in a way that setuptools means to give up.
            warnings.filterwarnings("ignore", "pkg_resources is deprecated", UserWarning)
            return import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"{needed_by} needs more packages ({error}); install them: pip install 'motet[baselines]'"
        ) from error
