r"""L2-SP: a penalty on the distance of the weights from their starting point.

.. math:: \Omega = \sum_i (\theta_i - \theta^{old}_i)^2

Li et al., "Explicit Inductive Bias for Transfer Learning with Convolutional Networks", 2018, arXiv:1802.01483, eq. 2,
which halves the sum and adds plain decay on new layers; here the caller names the parameters and sets the weight.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from modelheir.losses.weights.matched import differences

__all__ = ["l2_sp"]


def l2_sp(new: Mapping[str, Tensor], old: Mapping[str, Tensor]) -> Tensor:
    """Measure the squared distance of parameters from their old values.

    Args:
        new: Name -> parameter of the model in training. Gradients flow here only.
        old: Name -> old value; every name is in ``new``, with the same shape. Other parameters are free.

    Returns:
        A scalar in squared weights, ``>= 0``.

    Raises:
        ValueError: If ``old`` is empty, a name is missing in ``new``, or a shape differs.

    Example:
        >>> l2_sp({"w": torch.tensor([3.0, 1.0])}, {"w": torch.tensor([1.0, 1.0])})
        tensor(4.)
    """
    return torch.stack([gap.square().sum() for gap in differences(new, old).values()]).sum()
