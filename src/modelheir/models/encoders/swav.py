"""SwAV's ResNet-50 and its wider copies, read from the published file.

Caron et al., "Unsupervised Learning of Visual Features by Contrasting Cluster Assignments", 2020, arXiv:2006.09882.
The vector is the mean over the last map: 2,048 numbers for each unit of width, 8,192 for the one four times as wide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck

from modelheir.checks import InputError
from modelheir.models.bodies.resnet_body import ResNetBody
from modelheir.models.files.checkpoint import read_state
from modelheir.models.files.fit_weights import fit_weights

__all__ = ["read_swav", "wide_resnet_body"]

_BESIDE = ("projection_head.", "prototypes.", "fc.")  #: layers of the training that the encoder does without


def wide_resnet_body(depths: Sequence[int] = (3, 4, 6, 3), *, widen: int = 1, base_width: int = 64) -> ResNetBody:
    """Build a ResNet of bottlenecks all of whose layers, the first one too, are ``widen`` times as wide.

    Args:
        depths: Blocks of each of the four stages.
        widen: Multiplies every width; torchvision's wide ResNets widen only the inside of the bottlenecks.
        base_width: Widens the inside of each bottleneck further, by ``base_width / 64``.

    Returns:
        The body by torchvision's parameter names; ``feature_size`` is ``2048 * widen``.

    Example:
        >>> wide_resnet_body((1, 1, 1, 1), widen=2).feature_size
        4096
    """
    channels = 64 * widen
    conv1, stages = nn.Conv2d(3, channels, 7, stride=2, padding=3, bias=False), []
    for stage, depth in enumerate(depths):
        blocks, planes = [], 64 * widen * 2**stage
        for block in range(depth):
            stride = 2 if stage and not block else 1
            out, shortcut = planes * Bottleneck.expansion, None
            if not block:
                shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out))
            blocks.append(Bottleneck(channels, planes, stride, shortcut, base_width=base_width))
            channels = out
        stages.append(nn.Sequential(*blocks))
    maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
    return ResNetBody(conv1=conv1, bn1=nn.BatchNorm2d(64 * widen), maxpool=maxpool, stages=stages)


def read_swav(path: Path | str) -> ResNetBody:
    """Read a published SwAV checkpoint, whose shapes say which width it is; heads and prototypes are left out.

    Raises:
        InputError: If the file cannot be read, or holds no such network whole.
    """
    state = {key: value for key, value in read_state(path).items() if not key.startswith(_BESIDE)}
    body = _like(state, Path(path))
    fit_weights(body, state, str(path))
    return body


def _like(state: Mapping[str, Tensor], path: Path) -> ResNetBody:
    """Build the network that the shapes in ``state`` are of."""
    first, inner = state.get("conv1.weight"), state.get("layer1.0.conv1.weight")
    blocks = {tuple(key.split(".")[:2]) for key in state if key.startswith("layer")}
    depths = [sum(stage == f"layer{number}" for stage, _ in blocks) for number in range(1, 5)]
    if first is None or inner is None or len(first) % 64 or not all(depths):
        raise InputError(f"{path} holds no ResNet of SwAV: is it the published file, such as swav_RN50w4_*.pth.tar?")
    return wide_resnet_body(depths, widen=len(first) // 64, base_width=len(inner) * 64 // len(first))
