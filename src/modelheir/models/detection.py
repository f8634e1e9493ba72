"""Hand a classifier's body to a detector: torchvision's Faster R-CNN with a feature pyramid on its last resolutions.

The maps are those of :func:`~modelheir.models.stage_taps`, so any classifier with enough resolutions will do. Ren et
al., "Faster R-CNN", 2015, arXiv:1506.01497; Lin et al., "Feature Pyramid Networks for Object Detection", 2017,
arXiv:1612.03144. Ours differs from torchvision's ready-made models: anchors are 8 times the stride of their level (as
the paper's 32 to 512 are for strides 4 to 64), so that they fit small images too, and the heads' width follows the
pyramid's.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from modelheir import checks
from modelheir.checks import InputError
from modelheir.models.classifier import Classifier
from modelheir.models.files.load import load
from modelheir.models.groups import stages
from modelheir.models.module_names import title
from modelheir.models.surgery import on_the_way
from modelheir.models.tapped_shapes import stage_taps
from modelheir.models.taps import Taps
from modelheir.models.teachers.freeze import freeze, thawed_copy

__all__ = ["PyramidBackbone", "detector", "detector_groups"]


class PyramidBackbone(nn.Module):
    """A classifier's body and a feature pyramid over some of its modules' outputs."""

    def __init__(self, body: nn.Module, paths: Sequence[str], channels: Sequence[int], *, width: int) -> None:
        """Join the two.

        Args:
            body: As :class:`~modelheir.models.Classifier` holds it.
            paths: Of the modules in the body, the finest map first.
            channels: Of their outputs.
            width: Channels of every level of the pyramid; one more level is pooled from the last.
        """
        from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool

        super().__init__()
        self.body, self.paths, self.out_channels = body, tuple(paths), width
        self.fpn = FeaturePyramidNetwork(list(channels), width, extra_blocks=LastLevelMaxPool())

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        """Return the pyramid, the finest level first, of normalised images ``(N, 3, H, W)``."""
        taps = Taps(self.body, self.paths)  # registered for this call, so that the detector can be copied and saved
        try:
            with taps.record() as found:
                self.body(images)
        finally:
            taps.close()
        return self.fpn(OrderedDict((str(level), found[path]) for level, path in enumerate(self.paths)))


def detector(
    model: Classifier | str,
    *,
    classes: Sequence[str],
    image_size: int = 800,
    levels: int = 4,
    width: int = 256,
    train_batch_norm: bool = False,
    seed: int = 0,
    **settings: Any,
) -> Any:
    """Build torchvision's ``FasterRCNN`` on a copy of a classifier's body.

    Args:
        model: The classifier, or its address as :func:`~modelheir.models.load` takes it (``run:DIR``, ``tv:NAME``).
        classes: Names of what is to be found; label ``k`` of a target is ``classes[k - 1]``, and 0 is the background.
        image_size: Images are scaled until their shorter side has so many pixels, or the longer one twice as many.
        levels: The deepest resolutions of the body that the pyramid reads, ``>= 2``.
        width: Channels of the pyramid; the box head has four times as many units.
        train_batch_norm: Whether batch normalisations of the body train. Else statistics and scales stay as they are,
            as is usual where few images fit a batch.
        seed: Of all new layers; the global random state is left alone.
        **settings: Further ones of torchvision's ``FasterRCNN``, such as ``box_batch_size_per_image``.

    Returns:
        The detector in training mode, on the device of the classifier. It takes images in 0..1 and normalises them as
        the classifier did; ``backbone.body`` is the body. Layers behind the last map are frozen, as nothing reads them.

    Raises:
        InputError: If the classifier has too few resolutions, or several images in one (``network.mimo_members``).

    Example:
        >>> from modelheir.models import build
        >>> net = build("resnet9", classes=["a", "b"], image_size=32)
        >>> made = detector(net, classes=["car", "sign"], image_size=64, width=16)
        >>> made.backbone.paths, made.rpn.anchor_generator.sizes
        (('stem', 'stages.0', 'stages.1', 'stages.2'), ((8,), (16,), (32,), (64,), (128,)))
    """
    from torchvision.models.detection import FasterRCNN
    from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
    from torchvision.models.detection.rpn import AnchorGenerator
    from torchvision.ops import MultiScaleRoIAlign

    checks.at_least(2, levels=levels)
    checks.at_least(1, width=width, image_size=image_size, classes=len(classes))
    found: Any = load(model) if isinstance(model, str) else model
    found = getattr(found, "model", found)  # a transplanted old head stands beside the classifier
    if not isinstance(found, Classifier) or found.members > 1:
        raise InputError(f"{title(found)} cannot be a detector's body: give a classifier of one image at a time.")
    size = found.resolution or image_size
    maps = stage_taps(found, size)[-levels:]
    if len(maps) < levels or any(len(shape) != 3 for _, shape in maps):
        raise InputError(
            f"{title(found)} has {len(maps)} resolutions, or no maps, and the pyramid reads {levels}: set "
            "levels lower, or choose another network."
        )
    body = thawed_copy(found.body)
    paths = [path.removeprefix("body.") for path, _ in maps]
    norms = (part for part in body.modules() if isinstance(part, nn.modules.batchnorm._NormBase))
    for part in [*_behind(body, paths[-1]), *(() if train_batch_norm else norms)]:
        freeze(part)
    strides = [round(size / shape[1]) for _, shape in maps]
    anchors = tuple((8 * stride,) for stride in (*strides, 2 * strides[-1]))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        backbone = PyramidBackbone(body, paths, [shape[0] for _, shape in maps], width=width)
        made: Any = FasterRCNN(
            backbone,
            min_size=image_size,
            max_size=2 * image_size,
            image_mean=found.mean.flatten().tolist(),
            image_std=found.std.flatten().tolist(),
            rpn_anchor_generator=AnchorGenerator(anchors, ((0.5, 1.0, 2.0),) * len(anchors)),
            box_roi_pool=MultiScaleRoIAlign([str(level) for level in range(len(maps))], 7, 2),
            box_head=TwoMLPHead(49 * width, 4 * width),
            box_predictor=FastRCNNPredictor(4 * width, len(classes) + 1),
            **settings,
        )
    made.classes = tuple(classes)
    return made.to(found.mean.device)


def detector_groups(made: Any, multipliers: Sequence[float], *, lr: float) -> list[dict[str, Any]]:
    """Return parameter groups for an optimiser: a learning rate for each stage of the body, ``lr`` for all else.

    Args:
        made: A detector of :func:`detector`.
        multipliers: Of ``lr``, ``>= 0``, one a stage of the body that the pyramid reads, stem first. The documents of
            PaddleClas give ``[0.05, 0.05, 0.1, 0.1, 0.15]`` for a distilled ResNet-50.
        lr: Learning rate of pyramid and heads.

    Returns:
        ``[{"params": ..., "lr": ...}, ...]`` over what trains, each parameter once; the last group is all else.

    Raises:
        InputError: If the number of multipliers is not that of the stages.
    """
    backbone: PyramidBackbone = made.backbone
    unread = {id(parameter) for part in _behind(backbone.body, backbone.paths[-1]) for parameter in part.parameters()}
    found = [[backbone.get_parameter(name) for name in names] for names in stages(backbone)[:-1]]
    found = [group for group in found if any(id(parameter) not in unread for parameter in group)]
    if len(multipliers) != len(found):
        raise InputError(
            f"there are {len(multipliers)} multipliers, and the body has {len(found)} stages that the pyramid reads "
            f"(stem first, no head): give {len(found)}."
        )
    taken = {id(parameter) for group in found for parameter in group}
    rest = [parameter for parameter in made.parameters() if id(parameter) not in taken]
    groups = [*zip(found, multipliers, strict=True), (rest, 1.0)]
    trained = [([one for one in group if one.requires_grad], rate) for group, rate in groups]
    return [{"params": group, "lr": lr * rate} for group, rate in trained if group]


def _behind(body: nn.Module, last: str) -> Iterator[nn.Module]:
    """Yield what comes after the last map."""
    for container, _, after in on_the_way(body, last):
        for name in after:
            yield container.get_submodule(name)
