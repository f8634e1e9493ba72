r"""Stochastic depth: residual branches that are switched off at random while training.

.. math:: y = \mathrm{relu}(s(x) + b\, f(x)) \text{ in training}, \qquad
          y = \mathrm{relu}(s(x) + p_l\, f(x)) \text{ in evaluation}, \qquad
          p_l = p_0 - \tfrac{l}{L - 1} (p_0 - p_{L-1})

with ``f`` the residual branch, ``s`` the identity or the down-sampling, ``b`` one Bernoulli draw of mean ``p_l`` a
block and batch, and blocks ``l = 0 .. L-1``.

Huang et al., "Deep Networks with Stochastic Depth", 2016, arXiv:1603.09382, eq. 2, 4 and 5. Ours differs: the first
block keeps ``p_0`` and the last ``p_{L-1}`` exactly, where eq. 4 counts the input as block 0; and a branch that is
switched off is still computed and then masked, so that every process and every captured step runs the same operations
(its normalisation statistics move, its weights get zero gradients, no time is saved).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from modelheir import checks
from modelheir.models.bodies.resnet_body import ResNetBody, resnet_body

__all__ = ["StochasticBlock", "keep_probabilities", "resnet_stochastic_depth"]


def keep_probabilities(blocks: int, *, first: float = 1.0, last: float = 0.5) -> list[float]:
    """Return each block's probability of being kept, linear from the first to the last.

    Args:
        blocks: How many, ``>= 1``. A single block keeps ``first``.
        first: Of the block next to the stem, 0 to 1.
        last: Of the block next to the classifier, 0 to 1.

    Raises:
        ValueError: If a setting is out of range.

    Example:
        >>> keep_probabilities(5)
        [1.0, 0.875, 0.75, 0.625, 0.5]
    """
    checks.at_least(1, blocks=blocks)
    checks.in_range(0, 1, first=first, last=last)
    return [first - (first - last) * number / max(blocks - 1, 1) for number in range(blocks)]


class StochasticBlock(nn.Module):
    """A torchvision residual block whose branch is kept with probability ``keep``, one draw a batch."""

    def __init__(
        self, block: BasicBlock | Bottleneck, *, keep: float, multiply: bool = True, force_sampling: bool = False
    ) -> None:
        """Wrap ``block``.

        Args:
            block: The residual block; its parts are taken over.
            keep: Probability of keeping the branch, 0 to 1.
            multiply: In evaluation, multiply the branch by ``keep``; otherwise add it whole.
            force_sampling: Draw in evaluation too, in place of multiplying.
        """
        super().__init__()
        checks.in_range(0, 1, keep=keep)
        self.block, self.keep, self.multiply, self.force_sampling = block, keep, multiply, force_sampling

    def branch(self, x: Tensor) -> Tensor:
        """Return the residual branch ``f(x)`` alone."""
        block = self.block
        x = block.bn2(block.conv2(block.relu(block.bn1(block.conv1(x)))))
        return block.bn3(block.conv3(block.relu(x))) if isinstance(block, Bottleneck) else x

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output; reads the global random state where it draws."""
        branch = self.branch(x)
        shortcut = x if self.block.downsample is None else self.block.downsample(x)
        if self.training or self.force_sampling:
            kept = torch.rand((), device=x.device) < self.keep
            branch = torch.where(kept, branch, torch.zeros_like(branch))
        elif self.multiply:
            branch = self.keep * branch
        return torch.relu(shortcut + branch)


def resnet_stochastic_depth(
    name: str,
    *,
    keep_first: float = 1.0,
    keep_last: float = 0.5,
    multiply: bool = True,
    force_sampling: bool = False,
    **kwargs: Any,
) -> ResNetBody:
    """Build a ResNet body with stochastic depth in every block.

    Args:
        name: A torchvision name, such as ``resnet18``.
        keep_first: Keep probability of the first block, 0 to 1.
        keep_last: Keep probability of the last block, 0 to 1.
        multiply: In evaluation, multiply each branch by its keep probability.
        force_sampling: Draw in evaluation too, in every block.
        **kwargs: As in :func:`~modelheir.models.bodies.resnet_body.resnet_body`, pretrained weights included.

    Raises:
        ValueError: If a probability is out of range.

    Example:
        >>> body = resnet_stochastic_depth("resnet18")
        >>> body.layer4[1].keep
        0.5
    """
    body = resnet_body(name, **kwargs)
    stages = (body.layer1, body.layer2, body.layer3, body.layer4)
    blocks = sum(len(stage) for stage in stages)
    keeps = iter(keep_probabilities(blocks, first=keep_first, last=keep_last))
    for stage in stages:
        for number, block in enumerate(stage):
            stage[number] = StochasticBlock(
                block,  # pyright: ignore[reportArgumentType]
                keep=next(keeps),
                multiply=multiply,
                force_sampling=force_sampling,
            )
    return body
