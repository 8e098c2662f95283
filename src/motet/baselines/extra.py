"""extra: optional packages of baselines, imported when one is fitted."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any

from motet.errors import ConfigError


def imported(module: str, needed_by: str) -> Any:
    """Import a module of an optional package.

    Args:
        module: Name of the module.
        needed_by: The baseline that needs it, for the error message.

    Returns:
        The module.

    Raises:
        ConfigError: If its package is not installed.
    """
    try:
        with warnings.catch_warnings():
            # myfm reads its version with an API that setuptools deprecates.
            warnings.filterwarnings("ignore", "pkg_resources is deprecated", UserWarning)
            return import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"{needed_by} needs more packages ({error}); install them: pip install 'motet[baselines]'"
        ) from error
