r"""Side modules: small modules beside a frozen block, whose outputs are added to its own.

.. math:: h = \sum_{s \le t} m_s(x), \qquad m_0 \text{ the block},\ m_s \text{ the module of step } s

A module is a chain of 3x3 convolutions without anything between and one batch normalisation at the end, the first
convolution with the block's stride; or a block like the one beside it. Nothing follows the sum, and no weight blends
it. Zhang et al., "Side-Tuning", 2020, arXiv:1912.13503, whose blending weight is learned; Ji et al., "Seq-to-Final",
2024, arXiv:2407.09642, is what this follows. Ours differs: where a block pools an odd number of positions and a
convolution keeps one more, that one is left out of the sum.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from modelheir.checks import InputError
from modelheir.config.over_time.copies import BLOCK, side_sizes
from modelheir.models.counting import counted

__all__ = ["Joined", "Summed", "add_maps", "add_side_modules", "check_side", "side_module"]


def add_maps(maps: Iterable[Tensor]) -> Tensor:
    """Add maps ``(N, D, H, W)``, each cut to the height and width of the first.

    Example:
        >>> add_maps([torch.ones(1, 1, 1, 1), torch.ones(1, 1, 2, 2)]).shape
        torch.Size([1, 1, 1, 1])
    """
    first, *rest = maps
    for one in rest:
        first = first + one[..., : first.shape[-2], : first.shape[-1]]
    return first


class Summed(nn.Module):
    """Modules that read the same maps, and whose outputs are added."""

    def __init__(self, parts: Sequence[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum."""
        return add_maps(part(x) for part in self.parts)


class Joined(Summed):
    """Modules that read the same maps, and whose channels stand one behind the other."""

    def forward(self, x: Tensor) -> Tensor:
        """Return maps with the channels of all."""
        return torch.cat([part(x) for part in self.parts], dim=1)


def side_module(shape: tuple[int, int, int], sizes: Sequence[int]) -> nn.Sequential:
    """Return a chain of 3x3 convolutions and a batch normalisation.

    Args:
        shape: Channels in, channels out and stride of the block beside it.
        sizes: Channels between the convolutions; none is one convolution.

    Example:
        >>> [tuple(p.shape) for p in side_module((2, 3, 2), [4]).parameters()]
        [(4, 2, 3, 3), (3, 4, 3, 3), (3,), (3,)]
    """
    inner, outer, stride = shape
    convs = [
        nn.Conv2d(a, b, 3, stride=1 if number else stride, padding=1, bias=False)
        for number, (a, b) in enumerate(itertools.pairwise((inner, *sizes, outer)))
    ]
    return nn.Sequential(*convs, nn.BatchNorm2d(outer))


def check_side(model: Any, text: str) -> None:
    """Check that side modules of these sizes suit a network, before anything is built.

    Args:
        model: A classifier of stem, blocks and head, as :mod:`modelheir.models.bodies.blocks` has them.
        text: As :func:`~modelheir.config.over_time.side_sizes` reads it.

    Raises:
        InputError: If the network's blocks are one convolution themselves and ``text`` is not ``block``, or a chain of
            several convolutions has as many weights as the block beside it.
    """
    sizes = side_sizes(text)
    if sizes is None:
        return
    name, said = model.spec["name"], f"side_layer_sizes = {text!r}"
    if model.body.family == "convnet":
        raise InputError(f"{said}: a block of {name} is one convolution itself, so a side module is {BLOCK}: say so.")
    if not sizes:
        return
    for layer, (inner, outer, _) in zip(model.body.layers, model.body.shapes, strict=True):
        ours = 9 * sum(a * b for a, b in itertools.pairwise((inner, *sizes, outer)))
        block = model.body.get_submodule(layer)
        theirs = sum(block.get_parameter(one).numel() for one in counted(block))
        if ours >= theirs:
            raise InputError(
                f"{said}: beside {layer} of {name} that is {ours:,} weights, and the block has {theirs:,}; a side "
                f"module must be smaller. Give fewer channels, or {BLOCK}."
            )


def add_side_modules(model: Any, settings: Mapping[str, Any]) -> Any:
    """Put the side modules of a saved ``spec["side"]`` into a network of its own; edits and returns ``model``.

    Args:
        model: A classifier of stem, blocks and head; its weights, and those of the new modules, are still to come.
        settings: ``sizes`` as :func:`~modelheir.config.over_time.side_sizes` reads it, and ``further``: layer -> how
            many modules stand beside it. Of a head they are further necks, whose channels the classifier layer reads.
    """
    body, sizes = model.body, side_sizes(settings["sizes"])
    for layer, count in settings["further"].items():
        if layer == "fc":
            body.neck = Joined([copy.deepcopy(body.neck) for _ in range(count + 1)])
            old = model.head
            model.head = nn.Linear(old.in_features * (count + 1), old.out_features, bias=old.bias is not None)
            continue
        block = body.get_submodule(layer)
        alike = layer == "conv1" or sizes is None
        further = [
            copy.deepcopy(block) if alike else side_module(body.shapes[body.layers.index(layer)], sizes or ())
            for _ in range(count)
        ]
        setattr(body, layer, Summed([block, *further]))
    model.spec["side"] = {"sizes": settings["sizes"], "further": dict(settings["further"])}
    return model
