"""Retry: whether a call that failed is sent again, and after how long."""

from __future__ import annotations

import random

from motet.errors import ServiceError

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 10.0  # a service that asks for more is as good as down: the caller is told at once


class Retry:
    """Decides what happens after each failed attempt of one call.

    A call is sent again if the service could not be reached, did not answer in time, or answered 503 and said when to
    try again. The wait is what `Retry-After` asks for, plus a random part up to a bound that doubles each time, so
    that many clients do not come back at the same moment.

    Args:
        retries: How often the call may be sent again; 0 for calls that must not run twice.
    """

    def __init__(self, retries: int) -> None:
        self.left = retries
        self._longest = FIRST_WAIT_S

    def wait(self, error: ServiceError) -> float:
        """How long to wait before the next attempt.

        Args:
            error: Why the last attempt failed.

        Returns:
            Seconds.

        Raises:
            ServiceError: The same error, if there is no next attempt.
        """
        asked = error.retry_after_s or 0.0
        if not self.left or not _is_temporary(error) or asked > LONGEST_WAIT_S:
            raise error
        self.left -= 1
        drawn = random.uniform(0, self._longest)
        self._longest = min(2 * self._longest, LONGEST_WAIT_S)
        return asked + drawn


def _is_temporary(error: ServiceError) -> bool:
    """A 503 of motet without `Retry-After` is permanent, such as a service without events; that of a proxy is not."""
    if error.status is None:
        return error.code != "not_motet"
    return error.status == 503 and (error.retry_after_s is not None or error.code == "not_motet")
