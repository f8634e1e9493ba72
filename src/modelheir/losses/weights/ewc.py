r"""Elastic weight consolidation: weights may move where the old model does not need them.

.. math:: \Omega = \sum_i F_i (\theta_i - \theta^{old}_i)^2

``F`` is the diagonal of the old model's Fisher information. Kirkpatrick et al., "Overcoming Catastrophic Forgetting
in Neural Networks", 2017, arXiv:1612.00796, eq. 3, which halves the sum. With ``F = 1`` it is :func:`l2_sp`.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from modelheir import checks
from modelheir.losses.weights.matched import differences

__all__ = ["ewc", "ewc_of_several", "unit_mean_fisher"]


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
    gaps = differences(new, old)
    for name, gap in gaps.items():
        if name not in fisher:
            raise ValueError(f"parameter {name} has an old value and no Fisher information")
        checks.same_shape(**{f"parameter {name}": gap, "fisher": fisher[name]})
    return torch.stack([(fisher[name].detach() * gap.square()).sum() for name, gap in gaps.items()]).sum()


def ewc_of_several(
    new: Mapping[str, Tensor], earlier: Sequence[tuple[Mapping[str, Tensor], Mapping[str, Tensor]]]
) -> Tensor:
    """Sum :func:`ewc` over several earlier models: one penalty each, around its own values.

    The paper's section 2.1, for three tasks. The caller says which models these are; nothing is remembered.

    Args:
        new: Name -> parameter of the model in training. Gradients flow here only.
        earlier: At least one pair of old values and Fisher information, as for :func:`ewc`.

    Returns:
        A scalar, ``>= 0``.

    Raises:
        ValueError: If there is none, or as for :func:`ewc`.

    Example:
        >>> one, two = ({"w": torch.tensor([value])} for value in (0.0, 2.0))
        >>> ewc_of_several({"w": torch.tensor([1.0])}, [(one, {"w": torch.tensor([3.0])}), (two, one)])
        tensor(3.)
    """
    checks.at_least(1, earlier_models=len(earlier))
    return torch.stack([ewc(new, old, fisher) for old, fisher in earlier]).sum()


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
