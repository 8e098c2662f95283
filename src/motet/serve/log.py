"""The log of a service: one line of JSON for each event, on stderr."""

from __future__ import annotations

import json
import logging
import sys
import time

log = logging.getLogger("motet.serve")


def log_event(event: str, **facts: object) -> None:
    """Write one line of JSON. It must not hold ids: for a request the pattern of its route, never its path or query.

    Args:
        event: What happened.
        **facts: Details, as JSON can hold them.
    """
    log.info(json.dumps({"time": round(time.time(), 3), "event": event, **facts}))


def log_to_stderr() -> None:
    """Write the log of this process to stderr, without prefixes."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
