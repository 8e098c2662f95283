"""The command line: a thin twin of the library.

Nothing heavy is imported before a command runs, so that `motet --help` answers at once.
"""

from __future__ import annotations

from motet.cli.app import main

__all__ = ["main"]
