"""Load an encoder by its address."""

from __future__ import annotations

import torch

from modelheir.address import parse_encoder
from modelheir.checks import InputError
from modelheir.models.encoders.classifiers import classifier_encoder
from modelheir.models.encoders.encoder import Encoder
from modelheir.models.encoders.pixels import pixel_encoder

__all__ = ["load_encoder"]


def load_encoder(address: str, *, image_size: int = 0, device: torch.device | str = "cpu") -> Encoder:
    """Load a frozen encoder of images.

    Args:
        address: ``run:DIR``, ``file:PATH``, ``tv:NAME``, ``timm:NAME`` or ``pkg:NAME``, a classifier whose features
            are taken; or ``pixels:PART``.
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
    try:
        encoder = (
            pixel_encoder(found.place, image_size) if found.kind == "pixels" else classifier_encoder(found, image_size)
        )
    except InputError:
        raise
    except (RuntimeError, ValueError, AssertionError) as error:
        reason = str(error).split("\n")[0].rstrip(".")
        raise InputError(f"{address} cannot encode images of {image_size or 'its own'} pixels ({reason}).") from error
    return encoder.to(device)
