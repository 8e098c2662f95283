"""The log of a service: one line of JSON for each event, on stderr."""

from __future__ import annotations

import json
import logging
import sys
import time

log = logging.getLogger("motet.serve")


def log_event(event: str, **facts: object) -> None:
    """Write one line of JSON to the log: of a request the route's pattern, never its path or query, which hold ids.

    Args:
        event: What happened.
        **facts: What is to be known of it.
    """
    log.info(json.dumps({"time": round(time.time(), 3), "event": event, **facts}))


def log_to_stderr() -> None:
    """Write the log of this process to stderr, a line as it is."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
