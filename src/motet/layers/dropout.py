"""Check of dropout rates."""

from __future__ import annotations

from motet.errors import ConfigError


def check_dropout(dropout: float) -> None:
    """Check a dropout rate.

    Args:
        dropout: Share of values set to 0; at 1 nothing would be left to learn from.

    Raises:
        ConfigError: If it is not in [0, 1).
    """
    if not 0 <= dropout < 1:
        raise ConfigError(f"dropout={dropout}: the share of values to drop must satisfy 0 <= dropout < 1")
