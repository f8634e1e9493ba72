r"""Elastic weight consolidation: weights may move where the old model does not need them.

.. math:: \Omega = \sum_i F_i (\theta_i - \theta^{old}_i)^2

``F`` is the diagonal of the old model's Fisher information. Kirkpatrick et al., "Overcoming Catastrophic Forgetting
in Neural Networks", 2017, arXiv:1612.00796, eq. 3, which halves the sum. With ``F = 1`` it is :func:`l2_sp`.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from modelheir import checks
from modelheir.losses.precision import full_precision

__all__ = ["ewc", "unit_mean_fisher"]


def ewc(new: Mapping[str, Tensor], old: Mapping[str, Tensor], fisher: Mapping[str, Tensor]) -> Tensor:
    """Measure the Fisher-weighted squared distance of parameters from their old values.

    Args:
        new: Name -> parameter of the model in training. Gradients flow here only.
        old: Name -> old value; every name is in ``new`` and ``fisher``, with the same shape.
        fisher: Name -> importance, ``>= 0``.

    Returns:
        A scalar, ``>= 0``.

    Raises:
        ValueError: If ``old`` is empty, a name is missing, or a shape differs.

    Example:
        >>> new, old = {"w": torch.tensor([3.0, 1.0])}, {"w": torch.tensor([1.0, 0.0])}
        >>> ewc(new, old, {"w": torch.tensor([0.5, 2.0])})
        tensor(4.)
    """
    terms: list[Tensor] = []
    for name, start in old.items():
        if name not in fisher or name not in new:
            lack = "Fisher information" if name in new else "counterpart in the new model"
            raise ValueError(f"parameter {name} has an old value and no {lack}")
        checks.same_shape(**{f"new {name}": new[name], f"old {name}": start, f"fisher {name}": fisher[name]})
        square = (full_precision(new[name]) - full_precision(start.detach())).square()
        terms.append((fisher[name].detach() * square).sum())
    if not terms:
        raise ValueError("old must hold at least one parameter")
    return torch.stack(terms).sum()


def unit_mean_fisher(fisher: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Scale Fisher information to mean 1 over all parameters together, so that a weight fits models of any size.

    Raises:
        ValueError: If ``fisher`` is empty.

    Example:
        >>> unit_mean_fisher({"w": torch.tensor([1.0, 3.0]), "b": torch.tensor([2.0])})
        {'w': tensor([0.5000, 1.5000]), 'b': tensor([1.])}
    """
    if not fisher:
        raise ValueError("fisher must hold at least one parameter")
    mean = sum(values.sum() for values in fisher.values()) / sum(values.numel() for values in fisher.values())
    return {name: values / mean for name, values in fisher.items()}
