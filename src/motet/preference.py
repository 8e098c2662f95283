"""Preference: one training run for every weighting of the tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from motet.errors import ConfigError, did_you_mean
from motet.layers.configured import Configured
from motet.layers.mlp import linear


class Preference(Configured):
    r"""Trains for all task weights at once: they are drawn for every batch and given to the model as an input.

    A preference p is a weighting in the unit of the model's weights w: "answer as a model trained with these". Only
    ratios count. The model's input is how far each task is below the one that is favoured most,

    $$ z_t = \max \Big( \log \frac{p_t}{w_t} - \max_s \log \frac{p_s}{w_s}, \; -\log spread \Big), \qquad
       p'_t = w_t \frac{n \, e^{z_t}}{\sum_s e^{z_s}} $$

    with n tasks, and p' weights their losses: these are the model's weights if all z are 0. For each batch in training,
    one random task has z = 0, and every other one is uniform in [-log spread, 0]; with two tasks, the log of their
    ratio is uniform. A small network of z scales and shifts the user vectors,

    $$ u' = (1 + \gamma(z)) \odot u + \beta(z) $$

    and so conditions the trunk, the heads and the queries. Item vectors do not depend on it: one index serves every
    preference.

    Args:
        spread: The largest factor, in both directions, by which training shifts the weight of one task against another.
            A preference beyond it, such as a weight of 0, is answered as the nearest one that was drawn. A wider spread
            covers more preferences, each of them less precisely.
        hidden: Width of the network's hidden layer.

    Raises:
        ConfigError: If `spread` is not above 1, or `hidden` below 1.

    Source:
        Dosovitskiy and Djolonga, "You Only Train Once: Loss-Conditional Training of Deep Networks", ICLR 2020, section
        3; Perez et al., "FiLM: Visual Reasoning with a General Conditioning Layer", AAAI 2018, eq. 2.

    Example:
        >>> preference = Preference(spread=10.0)
        >>> preference.build(["rating", "retrieval"], dim=4)
        >>> weights = {"rating": 1.0, "retrieval": 15.0}
        >>> told = preference.told({"rating": 1.0, "retrieval": 3.0}, weights)
        >>> {name: round(weight, 2) for name, weight in preference.weights(told, weights).items()}
        {'rating': 1.67, 'retrieval': 5.0}
    """

    def __init__(self, spread: float = 30.0, *, hidden: int = 32) -> None:
        super().__init__()
        if not 1 < spread < math.inf:
            raise ConfigError(f"spread={spread}; it is a factor between weights, above 1 and finite")
        if hidden < 1:
            raise ConfigError(f"hidden={hidden}; the layer has at least width 1")
        self.spread = spread
        self.hidden = hidden

    @property
    def range(self) -> float:
        """How far a z lies below 0 at most."""
        return math.log(self.spread)

    def build(self, tasks: Sequence[str], dim: int) -> None:
        """Make the network; `Model` calls this once.

        Args:
            tasks: Names of the model's tasks.
            dim: Width of user vectors.
        """
        self.tasks = tuple(tasks)
        last = linear(self.hidden, 2 * dim)
        nn.init.zeros_(last.weight)  # every preference starts as the same model
        self.network = nn.Sequential(linear(len(tasks), self.hidden), nn.SiLU(), last)

    def draw(self, weights: Mapping[str, float]) -> Float[Tensor, " tasks"]:
        """The z of one batch; the task that is favoured is drawn among those that are trained.

        Args:
            weights: Of the model.

        Returns:
            One number a task, 0 for tasks that are not trained.
        """
        trained = torch.tensor([weights[name] > 0 for name in self.tasks])
        below = -self.range * torch.rand(len(self.tasks)) * trained
        return below.index_fill(0, trained.float().multinomial(1), 0.0)

    def told(self, preference: Mapping[str, float], weights: Mapping[str, float]) -> Float[Tensor, " tasks"]:
        """The z of a preference.

        Args:
            preference: By task; 0 where a task is not named.
            weights: Of the model.

        Returns:
            One number a task.

        Raises:
            ConfigError: If a name is no task or one that is not trained, a weight is negative or not finite, or all
                are 0.
        """
        for name, weight in preference.items():
            if name not in self.tasks:
                hint = did_you_mean(name, self.tasks)
                raise ConfigError(
                    f"the preference names {name!r}, which is no task of the model{hint}; "
                    f"tasks: {', '.join(self.tasks)}"
                )
            if not 0 <= weight < math.inf:
                raise ConfigError(
                    f"the preference gives task {name!r} the weight {weight}; it must be 0 or more, and finite"
                )
            if weight and not weights[name]:
                raise ConfigError(
                    f"the preference asks for task {name!r}, which the model gives weight 0 and does not train; "
                    "leave it out"
                )
        if not any(preference.values()):
            raise ConfigError(f"the preference weighs every task 0; give one of {', '.join(self.tasks)} a weight")
        ratios = [preference.get(name, 0.0) / weights[name] if weights[name] else math.nan for name in self.tasks]
        z = torch.tensor(ratios, dtype=torch.float64).log()
        z = (z - z.nan_to_num(-math.inf, neginf=-math.inf).max()).clamp(min=-self.range)
        return z.nan_to_num(0.0).float()

    def weights(self, told: Float[Tensor, " tasks"], weights: Mapping[str, float]) -> dict[str, float]:
        """What each task's loss counts for under a preference.

        Args:
            told: The z of the tasks.
            weights: Of the model.

        Returns:
            By task; those of the model where every z is 0.
        """
        shares = {name: math.exp(z) for name, z in zip(self.tasks, told.tolist(), strict=True) if weights[name]}
        scale = len(shares) / sum(shares.values())
        return {name: weight * shares.get(name, 0.0) * scale for name, weight in weights.items()}

    def forward(
        self, user: Float[Tensor, "batch dim"], told: Float[Tensor, " tasks"] | None
    ) -> Float[Tensor, "batch dim"]:
        """User vectors under a preference.

        Args:
            user: As the tower gives them.
            told: The z of the tasks; all 0, the weights of the model, where None.

        Returns:
            As many.
        """
        z = user.new_zeros(len(self.tasks)) if told is None else told.to(user)
        scale, shift = self.network((z - z.mean()) / self.range).chunk(2)
        under: Tensor = user * (1 + scale) + shift
        return under
