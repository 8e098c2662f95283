"""draw: assigns each user to a model, always the same one."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping


def draw(user: str, shares: Mapping[int, float]) -> int:
    r"""Choose a slot by a user's id, in proportion to shares.

    $$ \argmin_s \; -\ln h(u, s) / share_s $$

    where h is a hash in (0, 1). The result is the same in every process, on every machine and for any order of the
    slots. When one share grows at the expense of all others, the only users who move are those who move to it.

    Args:
        user: The user's id.
        shares: Share of each slot, at least 0; not all of them 0.

    Returns:
        The slot.

    Source:
        Schindelhauer and Schomaker, "Weighted Distributed Hash Tables", SPAA 2005, for the logarithmic method.

    Example:
        >>> [draw(user, {0: 0.5, 1: 0.5}) for user in ("ann", "cat", "eve", "ann")]
        [1, 0, 1, 1]
    """
    drawn = [slot for slot, share in shares.items() if share > 0]
    if len(drawn) == 1:
        return drawn[0]
    return min(drawn, key=lambda slot: -math.log(_hash(user, slot)) / shares[slot])


def _hash(user: str, slot: int) -> float:
    digest = hashlib.sha256(f"{slot} {user}".encode("utf-8", "backslashreplace")).digest()
    return (int.from_bytes(digest[:6], "big") + 0.5) / 2**48
