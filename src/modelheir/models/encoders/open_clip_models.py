"""Towers of images of the library open_clip, through the extra ``hub``: ``open_clip:ARCH/PRETRAINED``.

The vector is the embedding of the image, after the projection into the space that images and texts share; its length
is left as it is.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from modelheir.checks import InputError, nearest
from modelheir.extras import need
from modelheir.models.bodies.library import fetched
from modelheir.models.encoders.encoder import Encoder
from modelheir.models.encoders.preparation import Preparation

__all__ = ["ImageTower", "open_clip_encoder", "tower_encoder"]


class ImageTower(nn.Module):
    """The image half of an open_clip model."""

    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        self.visual = visual

    def forward(self, images: Tensor) -> Tensor:
        """Return the embedding ``(N, D)`` of normalised images; of towers that return tokens too, without them."""
        found = self.visual(images)
        return found[0] if isinstance(found, tuple) else found


def open_clip_encoder(place: str, image_size: int = 0) -> Encoder:
    """Make the encoder ``open_clip:ARCH/PRETRAINED``.

    Args:
        place: Architecture, a stroke, and the name of its weights or the path of a file with them.
        image_size: Pixels a side; 0 is the architecture's own.

    Raises:
        InputError: If the library is missing, or the architecture or its weights are unknown or cannot be had.
    """
    spec = f"open_clip:{place}"
    need("hub", spec, "open_clip")
    import open_clip

    name, _, weights = place.partition("/")
    if name not in open_clip.list_models():
        known = open_clip.list_models()
        raise InputError(f"unknown open_clip architecture {name!r}.{nearest(name, known)} It has {len(known)} names.")
    if not weights:
        known = ", ".join(open_clip.list_pretrained_tags_by_model(name)) or "none"
        raise InputError(f"{spec} names no weights: write open_clip:{name}/PRETRAINED. Known: {known}.")
    given: dict[str, Any] = {"force_image_size": image_size} if image_size else {}
    model = fetched(
        spec,
        lambda: open_clip.create_model(name, pretrained=weights, require_pretrained=True, **given),
        instead=f"open_clip:{name}/PATH",
    )
    return tower_encoder(model, spec)


def tower_encoder(model: Any, spec: str) -> Encoder:
    """Make an encoder of the image half of an open_clip model; the half of the texts is let go."""
    told, size = model.visual.preprocess_cfg, model.visual.image_size
    side = int(size[0] if isinstance(size, list | tuple) else size)
    view = Preparation(side, side, tuple(told["mean"]), tuple(told["std"]))
    return Encoder(ImageTower(model.visual), address=spec, preparation=view)
