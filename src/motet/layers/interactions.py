"""Interactions: products of pairs of fields, which are vectors of equal width."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def dot_interaction(
    fields: Float[Tensor, "batch fields dim"], *, with_itself: bool = False
) -> Float[Tensor, "batch pairs"]:
    r"""The dot products of all pairs of fields.

    $$ d = (\langle v_i, v_j \rangle)_{j < i} $$

    Args:
        fields: The vectors of each row; a single field gives no pair.
        with_itself: Whether to include each field's product with itself.

    Returns:
        One number per pair, in the order (1, 0), (2, 0), (2, 1), ...

    Source:
        Naumov et al., "Deep Learning Recommendation Model for Personalization and Recommendation Systems", 2019,
        section 2.

    Example:
        >>> dot_interaction(torch.tensor([[[1.0, 2.0], [3.0, 4.0], [0.0, 1.0]]]))
        tensor([[11.,  2.,  4.]])
    """
    count = fields.shape[1]
    rows, columns = torch.tril_indices(count, count, offset=0 if with_itself else -1, device=fields.device)
    return (fields @ fields.mT)[:, rows, columns]


def factorisation_machine(fields: Float[Tensor, "batch fields dim"]) -> Float[Tensor, " batch"]:
    r"""The second-order term of a factorisation machine: the sum of `dot_interaction`, in linear time.

    $$ \sum_{j < i} \langle v_i, v_j \rangle
       = \frac{1}{2} \sum_f \Big[ \Big( \sum_i v_{i,f} \Big)^2 - \sum_i v_{i,f}^2 \Big] $$

    Args:
        fields: The vectors of each row, multiplied by the feature values.

    Returns:
        One number per row; 0 for a single field.

    Source:
        Rendle, "Factorization Machines", ICDM 2010, lemma 3.1.

    Example:
        >>> factorisation_machine(torch.tensor([[[1.0, 2.0], [3.0, 4.0], [0.0, 1.0]]]))
        tensor([17.])
    """
    return (fields.sum(1).square() - fields.square().sum(1)).sum(1) / 2
