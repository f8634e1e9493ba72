"""The table of special bodies: networks without a classifier that no library ships under these names.

A body is a module with ``feature_size`` and ``forward_features(images) -> (N, D)``; it does not normalise images. One
with further heads also has ``auxiliary_sizes`` and ``forward_auxiliary`` (see :mod:`modelheir.models.bodies.branches`).
The names are those of the earlier system, so that its checkpoints say what to build.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from modelheir.models.bodies.blocks import blocks_convnet, blocks_densenet, blocks_resnet
from modelheir.models.bodies.branches import resnet_auxiliary, resnet_branches
from modelheir.models.bodies.stochastic_depth import resnet_stochastic_depth
from modelheir.models.bodies.thin import resnet10thin_wb, resnet_wb

__all__ = ["BODIES"]

_RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
_WIDER = ("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2")

#: name -> function of keyword settings that builds the body
BODIES: dict[str, Callable[..., nn.Module]] = {
    "blocks_convnet": blocks_convnet,
    "blocks_densenet": blocks_densenet,
    "blocks_resnet": blocks_resnet,
    "resnet10thin_wb": resnet10thin_wb,
    **{f"{name}_wb": partial(resnet_wb, name) for name in (*_RESNETS, *_WIDER)},
    **{f"aux_{name}": partial(resnet_auxiliary, name) for name in _RESNETS},
    **{f"mb_{name}": partial(resnet_branches, name) for name in _RESNETS},
    **{f"{name}_StoDepth_lineardecay": partial(resnet_stochastic_depth, name) for name in _RESNETS},
}
