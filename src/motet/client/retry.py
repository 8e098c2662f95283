"""Patience: whether a call that got no answer is sent again, and after how long."""

from __future__ import annotations

import random

from motet.errors import ServiceError

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 10.0  # who wants to be left alone for longer is not there


class Patience:
    """Decides about one call.

    It is sent again if the service was not reached, did not answer in time, or answered 503 and may be asked again.
    Waits are what `Retry-After` says, and a part drawn at random up to a bound that doubles: a crowd should not come
    back at once.

    Args:
        retries: How often it may be sent again; not at all where doing it twice is not as good as doing it once.
    """

    def __init__(self, retries: int) -> None:
        self.left = retries
        self._longest = FIRST_WAIT_S

    def wait(self, error: ServiceError) -> float:
        """How long to wait before the next try.

        Args:
            error: What was wrong with the last.

        Returns:
            Seconds.

        Raises:
            ServiceError: The same, if there is no next try.
        """
        asked = error.retry_after_s or 0.0
        if not self.left or not _passes(error) or asked > LONGEST_WAIT_S:
            raise error
        self.left -= 1
        drawn = random.uniform(0, self._longest)
        self._longest = min(2 * self._longest, LONGEST_WAIT_S)
        return asked + drawn


def _passes(error: ServiceError) -> bool:
    """A 503 of motet that does not say when to come again will be one next time; that of a proxy before it may not."""
    if error.status is None:
        return True
    return error.status == 503 and (error.retry_after_s is not None or error.code == "not_motet")
