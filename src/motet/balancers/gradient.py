"""GradientBalancer: methods that combine the tasks' gradients instead of their losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from motet.balancers.base import Balancer
from motet.balancers.conflict import task_gradients
from motet.balancers.dual_cone import dual_cone_weights
from motet.errors import ConfigError, did_you_mean

Method = Literal["upgrad", "dualproj", "pcgrad", "cagrad", "mgda", "aligned-mtl", "imtl-g"]


class GradientBalancer(Balancer):
    r"""A combination of the tasks' gradients at the vectors they share.

    $$ d = \sum_t c_t \, \nabla L_t $$

    If tasks conflict, a step along the weighted sum can increase a loss. These methods choose c from the dot products
    of the gradients at the outputs of the towers, which the tasks share. Embedding tables take no part in that, so the
    cost is one backward pass through each head. One pass through the towers follows, with $d$ in place of the sum's
    gradient. Parameters of a single task, such as its head, get the gradient of that task, and a trunk gets that of
    the sum.

    If a method averages, its coefficients are multiplied by the number of tasks, so that weights and learning rates
    mean the same as under `Fixed`. A task without a gradient in the batch is left out.

    | method | what it does |
    |---|---|
    | `upgrad` | projects each gradient onto the directions that increase no loss, and adds them |
    | `dualproj` | projects the sum onto these directions |
    | `pcgrad` | removes from each gradient its component against each other one, in random order |
    | `cagrad` | the direction near the sum that improves the worst task most; calls a solver at every step |
    | `mgda` | the shortest convex combination: small gradients dominate |
    | `aligned-mtl` | rotates and scales the gradients to be orthogonal and of one length |
    | `imtl-g` | equal projections onto every gradient |

    Args:
        method: Which of these.

    Raises:
        ConfigError: If the method is none of these; in training, if its package is missing or a model's losses come
            without shared vectors.

    Source:
        Quinton and Rey, "Jacobian Descent for Multi-Objective Optimization", 2024 (`upgrad`, and torchjd, which works
        out the coefficients); Lopez-Paz and Ranzato, "Gradient Episodic Memory", NeurIPS 2017 (`dualproj`); Yu et al.,
        "Gradient Surgery", NeurIPS 2020; Liu et al., "Conflict-Averse Gradient Descent", NeurIPS 2021; Sener and
        Koltun, "Multi-Task Learning as Multi-Objective Optimization", NeurIPS 2018 (`mgda`); Senushkin et al.,
        "Independent Component Alignment", CVPR 2023; Liu et al., "Towards Impartial Multi-Task Learning", ICLR 2021.
    """

    def __init__(self, method: Method = "upgrad") -> None:
        super().__init__()
        if method not in get_args(Method):
            raise ConfigError(
                f"method={method!r} is not one of {', '.join(map(repr, get_args(Method)))}"
                f"{did_you_mean(method, get_args(Method))}"
            )
        self.method = method

    def backward(self, losses: Mapping[str, Float[Tensor, ""]], shared: Sequence[Tensor]) -> None:
        """Add to the gradient of every parameter; see `Balancer.backward`."""
        if len(losses) > 1 and not shared:
            raise ConfigError(
                "GradientBalancer needs the vectors that the tasks share; return the result of Model.losses from "
                "compute_loss"
            )
        gradients = task_gradients(losses, shared) if len(losses) > 1 else {}
        pulling = [gradient for gradient in gradients.values() if gradient.any()]
        total = torch.stack(list(losses.values())).sum()
        if len(pulling) < 2:
            total.backward()
            return
        rows = torch.stack(pulling)
        direction = self.coefficients(rows @ rows.T) @ rows
        parts = direction.split([vectors.numel() for vectors in shared])
        replaced = [
            vectors.register_hook(lambda _, part=part: part.view_as(_))
            for vectors, part in zip(shared, parts, strict=True)
            if vectors.requires_grad
        ]
        total.backward()
        for hook in replaced:
            hook.remove()

    def coefficients(self, gramian: Float[Tensor, "tasks tasks"]) -> Float[Tensor, " tasks"]:
        """The coefficient of each task's gradient.

        Args:
            gramian: Dot products of the gradients, none of which is 0.

        Returns:
            One number a task.
        """
        # On the CPU: the methods are many steps on a few numbers, for each of which a GPU would be waited for.
        held = gramian.cpu()
        scaled = held.double() / held.diagonal().mean()  # the methods treat small values as 0
        found: Tensor = _weighting(self.method)(scaled).to(gramian)
        return found if self.method == "pcgrad" else len(found) * found  # all others average


def _weighting(method: str) -> Callable[[Tensor], Tensor]:
    """A function of torchjd from dot products of gradients to coefficients."""
    try:
        from torchjd import aggregation
    except ImportError as error:
        raise _missing(error) from error
    projector: Any = dual_cone_weights  # in place of torchjd's, whose solver is under the GPL
    makers: dict[str, Callable[[], Callable[[Tensor], Tensor]]] = {
        "upgrad": lambda: aggregation.UPGradWeighting(projector=projector),
        "dualproj": lambda: aggregation.DualProjWeighting(projector=projector),
        "pcgrad": aggregation.PCGradWeighting,
        "cagrad": lambda: aggregation.CAGradWeighting(c=0.4),
        "mgda": aggregation.MGDAWeighting,
        "aligned-mtl": aggregation.AlignedMTLWeighting,
        "imtl-g": aggregation.IMTLGWeighting,
    }
    try:
        return makers[method]()
    except ImportError as error:  # cagrad's solver
        raise _missing(error) from error


def _missing(error: ImportError) -> ConfigError:
    return ConfigError(f"GradientBalancer needs more packages ({error}); install them: pip install 'motet[balance]'")
