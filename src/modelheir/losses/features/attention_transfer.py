r"""Attention transfer (AT): active places in the old model's feature map shall be active in the new one's.

.. math:: \ell_i = \tfrac{1}{HW} \Bigl\lVert \frac{a(F_i)}{\lVert a(F_i) \rVert}
          - \frac{a(F^{old}_i)}{\lVert a(F^{old}_i) \rVert} \Bigr\rVert^2, \qquad a(F) = \sum_c |F_c|^p

Zagoruyko and Komodakis, "Paying More Attention to Attention", 2017, arXiv:1612.03928, eq. 2 with ``p`` of its sec. 3.1.

The paper's equation has the length of the difference; ours is its mean square over places, as in the authors' code.
It is one pair of layers; several are several terms. The larger map is averaged down to the smaller before ``a``.
"""

from torch import Tensor

from modelheir import checks
from modelheir.losses.features.maps import activation_map, pool_to_smaller

__all__ = ["attention_transfer"]


def attention_transfer(new: Tensor, old: Tensor, *, power: float = 2.0) -> Tensor:
    """Measure how far the places where each image's new features are active are from the old ones.

    Args:
        new: Feature maps of the model in training, shape ``(N, C, H, W)``. Gradients flow here only.
        old: Feature maps of the frozen model, ``(N, C', H', W')``.
        power: Exponent ``p`` of the absolute values, ``>= 1``; a larger one looks at the strongest channels.

    Returns:
        Mean over places, ``>= 0``, at most 2 over their number, shape ``(N,)``; not reduced over images.

    Raises:
        InputError: If one is no map.
        ValueError: If the lengths differ or the power is below 1.

    Example:
        >>> import torch
        >>> new, old = torch.tensor([[[[1.0, 0.0]]]]), torch.tensor([[[[0.0, 3.0]]]])
        >>> attention_transfer(new, old)
        tensor([1.])
    """
    checks.at_least(1, power=power)
    new, old = pool_to_smaller(new, old)
    return (activation_map(new, power=power) - activation_map(old, power=power)).square().mean(dim=1)
