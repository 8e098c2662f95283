"""Writes what all sides read: vectors, held-out pairs, what users had, lists; `prepare FOLDER USERS ITEMS PULL`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

DIM, TEST, SEEN, K = 64, 5, 10, 10


def pairs(users: int, items: int, each: int, generator: np.random.Generator) -> np.ndarray:
    """Distinct pairs, sorted, some `each` a user."""
    drawn = np.repeat(np.arange(users), each) * items + generator.integers(0, items, users * each)
    return np.unique(drawn)


def lists(users: int, items: int, wanted: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Ten different items a user; one in ten of the users has what they wanted first on the third place."""
    start, step = (generator.integers(1, items // K, (users, 1)) for _ in range(2))
    found = (start + step * np.arange(K)) % items
    owner, first = np.unique(wanted // items, return_index=True)
    chosen = generator.random(len(owner)) < 0.1
    owner, item = owner[chosen], (wanted % items)[first[chosen]]
    absent = ~(found[owner] == item[:, None]).any(1)
    found[owner[absent], 2] = item[absent]
    return found


def best(user: np.ndarray, item: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The ten items that the vectors put first, of a small case."""
    scores = user @ item.T
    scores[seen // len(item), seen % len(item)] = -np.inf
    return np.argsort(-scores, 1)[:, :K]


def main() -> None:
    """Draw everything from one seed."""
    folder, users, items, pull = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    generator = np.random.default_rng(0)
    item = generator.standard_normal((items, DIM), dtype=np.float32)
    test = pairs(users, items, TEST, generator)
    seen = np.setdiff1d(pairs(users, items, SEEN, generator), test, assume_unique=True)
    user = generator.standard_normal((users, DIM), dtype=np.float32)
    np.add.at(user, test // items, np.float32(pull) * item[test % items])  # so that there are hits
    np.save(folder / "user.npy", user)
    np.save(folder / "item.npy", item)
    small = users * items <= 10**8
    np.save(folder / "lists.npy", best(user, item, seen) if small else lists(users, items, test, generator))
    for name, found in (("test", test), ("seen", seen)):
        np.save(folder / f"{name}.npy", np.stack([found // items, found % items]))


if __name__ == "__main__":
    main()
