"""The contract of a trunk."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import torch
from torch import Tensor

from motet.testing.precision import check_precision
from motet.trunks.base import Trunk


def check_trunk(build: Callable[[], Trunk], *, in_dim: int = 12, seed: int = 0) -> None:
    """Check that a trunk reads rows independently, trains all parameters, can be rebuilt, and has shares that add up.

    Args:
        build: Returns a new trunk; this function calls its `Trunk.build`.
        in_dim: Width of the pair.
        seed: Seed of the weights and the rows.

    Raises:
        AssertionError: If the trunk breaks the contract.

    Example:
        >>> from motet.trunks import MMoE
        >>> check_trunk(MMoE)
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        tasks, pairs = ("one", "other"), torch.randn(9, in_dim)
        trunk = build()
        twin = type(trunk)(**json.loads(json.dumps(trunk.config())))
        for each in (trunk, twin):
            each.build(in_dim, tasks)
            each.eval()
        read = trunk(pairs)
        assert set(read) == set(tasks), f"the heads of {tasks} read {tuple(read)}"
        for task, vectors in read.items():
            shape = (len(pairs), trunk.out_dim)
            assert vectors.shape == shape, f"9 rows gave {tuple(vectors.shape)}; with this out_dim the shape is {shape}"
            turned = trunk(pairs.flip(0))[task].flip(0)
            assert torch.allclose(turned, vectors, atol=1e-6), "a different order of rows changes the result"
        twin.load_state_dict(trunk.state_dict())
        same = all(torch.equal(vectors, read[task]) for task, vectors in twin(pairs).items())
        assert same, "a trunk with the same config and weights gives different results"
        _check_gates(trunk, pairs)
        trunk.zero_grad()
        torch.stack([vectors.square().sum() for vectors in trunk(pairs).values()]).sum().backward()
    for name, parameter in trunk.named_parameters():
        assert parameter.grad is not None or not parameter.requires_grad, f"no gradient reaches {name}"
    check_precision(trunk, lambda each: _outputs(each, pairs))


def _outputs(trunk: Trunk, pairs: Tensor) -> dict[str, Tensor]:
    dtype = next(trunk.parameters()).dtype
    return {f"the output for {task}": vectors for task, vectors in trunk(pairs.to(dtype)).items()}


def _check_gates(trunk: Trunk, pairs: Tensor) -> None:
    """Shares are counted in training only, and from the start of the epoch."""
    trunk.epoch_began()
    trunk(pairs)
    assert not trunk.utilisation(), "shares are counted outside training, or `epoch_began` does not clear them"
    trunk.train()(pairs)
    for task, shares in trunk.utilisation().items():
        assert math.isclose(sum(shares.values()), 1, rel_tol=1e-5), f"the shares of {task!r} sum to {shares}"
    trunk.eval()
