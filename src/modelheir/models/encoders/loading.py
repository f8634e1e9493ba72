"""Load an encoder by its address."""

from __future__ import annotations

from collections.abc import Callable

import torch

from modelheir.address import parse_encoder
from modelheir.checks import InputError
from modelheir.models.encoders.classifiers import classifier_encoder
from modelheir.models.encoders.colour import colour_encoder
from modelheir.models.encoders.documented import documented_encoder
from modelheir.models.encoders.encoder import Encoder
from modelheir.models.encoders.hugging_face import hugging_face_encoder
from modelheir.models.encoders.open_clip_models import open_clip_encoder
from modelheir.models.encoders.pixels import pixel_encoder

__all__ = ["load_encoder"]

#: word before the colon -> what makes the encoder, by what follows and the image size
_MAKERS: dict[str, Callable[[str, int], Encoder]] = {
    "colour": lambda _, image_size: colour_encoder(image_size),
    "encoder": documented_encoder,
    "hf": hugging_face_encoder,
    "open_clip": open_clip_encoder,
    "pixels": pixel_encoder,
}


def load_encoder(address: str, *, image_size: int = 0, device: torch.device | str = "cpu") -> Encoder:
    """Load a frozen encoder of images.

    Args:
        address: ``run:DIR``, ``file:PATH``, ``tv:NAME``, ``timm:NAME`` or ``pkg:NAME``, a classifier whose features
            are taken; ``encoder:NAME``, a published one of :data:`~modelheir.models.encoders.table.ENCODERS`
            (``encoder:NAME:PATH`` with its weights from a file); ``hf:ID`` of transformers;
            ``open_clip:ARCH/PRETRAINED``; ``pixels:PART``; or ``colour``.
        image_size: Pixels a side that the encoder is to see; 0 is its own. ``pixels:`` needs it.
        device: Where it is put.

    Returns:
        The encoder, in evaluation mode for good.

    Raises:
        InputError: If there is no such encoder, its weights cannot be had, or it cannot take images of this size.
    """
    if image_size < 0:
        raise InputError(f"image_size = {image_size}: must be >= 0 pixels; 0 is the encoder's own.")
    found = parse_encoder(address)
    maker = _MAKERS.get(found.kind)
    try:
        encoder = maker(found.place, image_size) if maker else classifier_encoder(found, image_size)
    except InputError:
        raise
    except (RuntimeError, ValueError, AssertionError) as error:
        reason = str(error).split("\n")[0].rstrip(".")
        size = f"{image_size} pixels" if image_size else "its own size"
        raise InputError(f"{address} cannot encode images of {size} ({reason}).") from error
    encoder.asked_size = image_size
    return encoder.to(device)
