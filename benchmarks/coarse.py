"""Whether coarse products would make exact ranks faster: `python -m benchmarks.coarse`, on one thread.

Products in fewer bits, the share of scores that a proved bound leaves undecided, and what a block of 512 users x 1,024
items would take with them, where every user has one positive.
"""

from __future__ import annotations

import torch
from benchmarks.measure import median_seconds

USERS, ITEMS, DIM = 512, 1024, 64
CATALOGUE = 100_000


def vectors() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Users who lean towards one item each, as in `benchmarks.evaluation`, all items, and these positives."""
    generator = torch.Generator().manual_seed(0)
    user, item = (torch.randn(size, DIM, generator=generator) for size in (USERS, CATALOGUE))
    positive = torch.randint(CATALOGUE, (USERS,), generator=generator)
    return user + 0.25 * item[positive], item, positive


def rounded(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Eight bits a number, and what they stand for."""
    step = rows.abs().amax(1, keepdim=True) / 127
    whole = (rows / step).round()
    return whole.to(torch.int8), whole * step


def undecided(user: torch.Tensor, item: torch.Tensor, positive: torch.Tensor, coarse: list[torch.Tensor]) -> float:
    """The share of scores that are nearer to the positive's than |u - u'| |v| + |u'| |v - v'|."""
    u, v = coarse
    room = (user - u).norm(dim=1, keepdim=True) * item.norm(dim=1) + u.norm(dim=1, keepdim=True) * (item - v).norm(
        dim=1
    )
    scores = user @ item.T
    own = scores.gather(1, positive[:, None])
    return float(((scores - own).abs() <= room).float().mean())


def main() -> None:
    torch.set_num_threads(1)
    user, item, positive = vectors()
    some, codes = item[:ITEMS], [rounded(rows) for rows in (user, item)]
    share = undecided(user, item, positive, [held for _, held in codes])
    halves = undecided(user, item, positive, [rows.bfloat16().float() for rows in (user, item)])
    (u8, _), v8 = codes[0], codes[1][0][:ITEMS]
    scores, passed, whole = user @ some.T, torch.empty(USERS, ITEMS), torch.empty(USERS, ITEMS, dtype=torch.int32)
    low, high = torch.quantile(scores, torch.tensor([0.9 - share / 2, 0.9 + share / 2]), dim=1)[..., None]
    open_cells = ((scores >= low) & (scores < high)).nonzero()
    parts = {
        "float32 product": lambda: torch.mm(user, some.T, out=scores),
        "bfloat16 product": lambda: torch.mm(user.bfloat16(), some.bfloat16().T),
        "int8 product": lambda: torch._int_mm(u8, v8.T, out=whole),
        "whole numbers to float32": lambda: passed.copy_(whole),
        "one count": lambda: torch.ge(scores, low, out=passed).sum(1),
        "finding the undecided": lambda: ((scores >= low) & (scores < high)).nonzero(),
        "comparing these": lambda: (user[open_cells[:, 0]] * some[open_cells[:, 1]]).sum(1),
    }
    print(f"undecided: {share:.1%} by eight bits, {halves:.1%} by bfloat16\n\n| part | ms a block |\n|---|---|")
    for name, part in parts.items():
        print(f"| {name} | {1e3 * median_seconds(part, repeats=21):.2f} |", flush=True)


if __name__ == "__main__":
    main()
