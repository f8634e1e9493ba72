r"""L1-SP: a penalty on the distance of the weights from their starting point that leaves most of them there.

.. math:: \Omega = \sum_i |\theta_i - \theta^{old}_i|

Li et al., "Explicit Inductive Bias for Transfer Learning with Convolutional Networks", 2018, arXiv:1802.01483, section
3 (L1-SP), which adds plain decay on new layers; here the caller names the parameters and sets the weight.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from modelheir.losses.weights.matched import differences

__all__ = ["l1_sp"]


def l1_sp(new: Mapping[str, Tensor], old: Mapping[str, Tensor]) -> Tensor:
    """Measure the absolute distance of parameters from their old values.

    Args:
        new: Name -> parameter of the model in training. Gradients flow here only; of a weight at its old value it is 0.
        old: Name -> old value; every name is in ``new``, with the same shape. Other parameters are free.

    Returns:
        A scalar in weights, ``>= 0``.

    Raises:
        ValueError: If ``old`` is empty, a name is missing in ``new``, or a shape differs.

    Example:
        >>> l1_sp({"w": torch.tensor([3.0, 1.0])}, {"w": torch.tensor([1.0, 2.0])})
        tensor(3.)
    """
    return torch.stack([gap.abs().sum() for gap in differences(new, old).values()]).sum()
