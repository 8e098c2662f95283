"""The rule that every share of values to drop keeps."""

from __future__ import annotations

from motet.errors import ConfigError


def check_dropout(dropout: float) -> None:
    """Refuse what is no share of values to drop.

    Args:
        dropout: At 1 nothing would be left to learn from.

    Raises:
        ConfigError: If it is not in [0, 1).
    """
    if not 0 <= dropout < 1:
        raise ConfigError(f"dropout={dropout}: it is the share of values to drop, 0 <= dropout < 1")
