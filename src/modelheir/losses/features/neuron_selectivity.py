r"""Neuron selectivity transfer (NST): the channels' patterns over places shall be distributed as the old ones.

.. math:: \ell_i = \tfrac{1}{C^2} \sum_{cc'} k(f_c, f_{c'}) + \tfrac{1}{C'^2} \sum_{cc'} k(g_c, g_{c'})
          - \tfrac{2}{C C'} \sum_{cc'} k(f_c, g_{c'}), \qquad k(a, b) = (a^\top b)^2

the squared maximum mean discrepancy between the channels ``f`` of the new map and ``g`` of the old one, each a vector
over places of unit length. Huang and Wang, "Like What You Like: Knowledge Distill via Neuron Selectivity Transfer",
2017, arXiv:1707.01219, sec. 4, with its polynomial kernel of degree 2 and offset 0.

With that kernel it is the squared distance of two matrices over pairs of places,
``\lVert F^\top F / C - G^\top G / C' \rVert^2``, which is what is computed where a map has no more places than
channels; so the numbers of channels may differ. A silent channel counts as zero. The larger map is averaged down.
"""

import torch
from torch import Tensor

from modelheir.losses.features.maps import pool_to_smaller, unit_length

__all__ = ["neuron_selectivity"]


def neuron_selectivity(new: Tensor, old: Tensor) -> Tensor:
    """Measure how far the distribution of each image's channels is from the old one.

    Args:
        new: Feature maps of the model in training, shape ``(N, C, H, W)``. Gradients flow here only.
        old: Feature maps of the frozen model, ``(N, C', H', W')``.

    Returns:
        From 0 (same distribution) to 2, shape ``(N,)``; not reduced over images.

    Raises:
        InputError: If one is no map.
        ValueError: If the lengths differ.

    Example:
        Both new channels see the left place, the old one sees the right place:

        >>> new = torch.tensor([[[[1.0, 0.0]], [[2.0, 0.0]]]])
        >>> neuron_selectivity(new, torch.tensor([[[[0.0, 1.0]]]]))
        tensor([2.])
    """
    new, old = (unit_length(maps.flatten(2), dim=2) for maps in pool_to_smaller(new, old))
    channels, places = max(new.shape[1], old.shape[1]), new.shape[2]
    with torch.autocast(new.device.type, enabled=False):
        if places <= channels:
            gap = new.mT @ new / new.shape[1] - old.mT @ old / old.shape[1]
            return gap.square().sum(dim=(1, 2))
        within = (new @ new.mT).square().mean(dim=(1, 2)) + (old @ old.mT).square().mean(dim=(1, 2))
        return (within - 2 * (new @ old.mT).square().mean(dim=(1, 2))).clamp_min(0)
