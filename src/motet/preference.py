"""Preference: one training run for every weighting of the tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from motet.errors import ConfigError, did_you_mean
from motet.layers.configured import Configured

LARGEST = 1e30  # bound of a weight, so that its product with any score is finite


class Preference(Configured):
    r"""Trains for all task weights at once: they are drawn for every batch and given to the model as an input.

    A preference p is a weighting in the unit of the model's weights w: "answer as if you had been trained with these".
    Only ratios count. The model's input is how far each of its n tasks lies below the most favoured one,

    $$ z_t = \max \Big( \log \frac{p_t}{w_t} - \max_s \log \frac{p_s}{w_s}, \; -\log spread \Big), \qquad
       a_t = \frac{e^{z_t}}{\sum_s e^{z_s}}, \qquad p'_t = n \, a_t \, w_t $$

    and p' weights its losses; if all z are 0, p' is the model's own weights. For each training batch, z is 0 for one
    task, drawn at random, and uniform in [-log spread, 0] for every other task, so that with two tasks the log of their
    ratio is uniform. The losses that `fit` shows are weighted so. User vectors are conditioned on z by one linear map
    for each task,

    $$ u' = u + \sum_t \Big( a_t - \frac{1}{n} \Big) (W_t u + c_t) $$

    The trunk, the heads and the queries read u'. All W and c start at 0, and u' = u under the model's own weights. Item
    vectors do not depend on the preference, so one index serves every preference. They have to hold what all weightings
    need together, so make them wider than for a model with one weighting.

    Args:
        spread: The largest factor, in both directions, by which training shifts the weight of one task against another.
            A preference beyond it, such as a weight of 0, is moved to the nearest one within it. A wider spread covers
            more preferences, each less precisely.

    Raises:
        ConfigError: If `spread` is not above 1.

    Source:
        Dosovitskiy and Djolonga, "You Only Train Once: Loss-Conditional Training of Deep Networks", ICLR 2020, section
        3, for weights drawn in training; Navon et al., "Learning the Pareto Front with Hypernetworks", ICLR 2021,
        section 3, for maps that depend on them, here linearly; Dimitriadis et al., "Pareto Manifold Learning", ICML
        2023, section 3, for that linear form.

    Example:
        >>> preference = Preference(spread=10.0)
        >>> preference.build(["rating", "retrieval"], dim=4)
        >>> weights = {"rating": 1.0, "retrieval": 15.0}
        >>> z = preference.encode({"rating": 1.0, "retrieval": 3.0}, weights)
        >>> preference.factors(z, weights)
        tensor([1.6667, 0.3333])
    """

    def __init__(self, spread: float = 30.0) -> None:
        super().__init__()
        if not 1 < spread < math.inf:
            raise ConfigError(f"spread={spread}; it is a factor between weights, and must be above 1 and finite")
        self.spread = spread

    @property
    def range(self) -> float:
        """The largest distance of a z below 0."""
        return math.log(self.spread)

    def build(self, tasks: Sequence[str], dim: int) -> None:
        """Make the maps; `Model` calls this once.

        Args:
            tasks: Names of the model's tasks.
            dim: Width of user vectors.
        """
        self.tasks = tuple(tasks)
        self.maps = nn.Linear(dim, len(tasks) * dim)
        nn.init.zeros_(self.maps.weight)  # every preference starts as the same model
        nn.init.zeros_(self.maps.bias)

    def draw(self, weights: Mapping[str, float]) -> Float[Tensor, " tasks"]:
        """The z of one batch; the favoured task is drawn from those that are trained.

        Args:
            weights: Of the model.

        Returns:
            One number a task, 0 for tasks that are not trained.
        """
        trained = self._trained(weights)
        below = -self.range * torch.rand(len(self.tasks)) * trained
        return below.index_fill(0, trained.multinomial(1), 0.0)

    def encode(self, preference: Mapping[str, float], weights: Mapping[str, float]) -> Float[Tensor, " tasks"]:
        """The z of a preference.

        Args:
            preference: By task; 0 for a task that is not named.
            weights: Of the model.

        Returns:
            One number a task.

        Raises:
            ConfigError: If a name is not a task, or is one that is not trained; a weight is negative or above 1e30; or
                all are 0.
        """
        for name, weight in preference.items():
            if name not in self.tasks:
                hint = did_you_mean(name, self.tasks)
                raise ConfigError(
                    f"the preference names {name!r}, which is no task of the model{hint} "
                    f"Tasks: {', '.join(self.tasks)}."
                )
            if not 0 <= weight <= LARGEST:
                raise ConfigError(
                    f"the preference gives task {name!r} the weight {weight}; it must lie between 0 and {LARGEST:g}"
                )
            if weight and not weights[name]:
                raise ConfigError(
                    f"the preference asks for task {name!r}, which the model gives weight 0 and does not train; "
                    "leave it out"
                )
        if not any(preference.values()):
            raise ConfigError(
                f"the preference gives every task weight 0; give one of {', '.join(self.tasks)} a weight above 0"
            )
        ratios = [preference.get(name, 0.0) / weights[name] if weights[name] else math.nan for name in self.tasks]
        z = torch.tensor(ratios, dtype=torch.float64).log()
        z = (z - z.nan_to_num(-math.inf, neginf=-math.inf).max()).clamp(min=-self.range)
        return z.nan_to_num(0.0).float()

    def factors(self, z: Float[Tensor, " tasks"], weights: Mapping[str, float]) -> Float[Tensor, " tasks"]:
        """The factor on each task's weight under a preference.

        Args:
            z: The z of the tasks.
            weights: Of the model.

        Returns:
            One factor a task; the mean over the trained tasks is 1, and the others have 0.
        """
        shares = z.exp() * self._trained(weights).to(z)
        return shares / shares.sum() * sum(weight > 0 for weight in weights.values())

    def forward(
        self, user: Float[Tensor, "batch dim"], z: Float[Tensor, " tasks"] | None
    ) -> Float[Tensor, "batch dim"]:
        """User vectors under a preference.

        Args:
            user: The output of the tower.
            z: The z of the tasks; None stands for all 0, the model's own weights.

        Returns:
            One vector a row.
        """
        z = user.new_zeros(len(self.tasks)) if z is None else z.to(user)
        lead = z.softmax(-1) - 1 / len(self.tasks)
        moved: Tensor = self.maps(user).unflatten(1, (len(self.tasks), -1))
        return user + (lead[:, None] * moved).sum(1)

    def _trained(self, weights: Mapping[str, float]) -> Tensor:
        return torch.tensor([float(weights[name] > 0) for name in self.tasks])
