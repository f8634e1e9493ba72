"""An encoder: images in 0..1 to one vector each, frozen for good, and known by a fingerprint.

In the older system frozen encoders were put in training mode, so that drop-path was active and the statistics of batch
normalisation drifted while heads were trained. Here nothing that is called on the encoder changes its weights, its
buffers or its mode.
"""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import asdict

import torch
from torch import Tensor, nn

from modelheir.models.classifier import normalised
from modelheir.models.encoders.preparation import Preparation
from modelheir.models.teachers.freeze import freeze, state_hash

__all__ = ["Encoder"]


class Encoder(nn.Module):
    """A frozen body behind its own preparation of images."""

    mean: Tensor
    std: Tensor

    def __init__(self, body: nn.Module, *, address: str, preparation: Preparation) -> None:
        """Freeze the body, in place, and find its width by one blank image.

        Args:
            body: Prepared images ``(N, 3, crop, crop)`` to vectors ``(N, D)``.
            address: Where it came from, as the user wrote it.
            preparation: How it wants its images.

        Raises:
            ValueError: If the body does not return one vector an image.
        """
        super().__init__()
        self.address, self.preparation = address, preparation
        self.asked_size = 0  #: pixels a side that it was asked to see, to load it again; 0 is its own
        self.body = freeze(body)
        self.training = False
        for name, values in (("mean", preparation.mean), ("std", preparation.std)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)
        found = self.to(_device(body))(torch.zeros(1, 3, self.image_size, self.image_size, device=_device(body)))
        if found.ndim != 2 or len(found) != 1:
            raise ValueError(f"{address} must give one vector an image, (N, D), got shape {tuple(found.shape)}")
        self.width = int(found.shape[1])  #: ``D``

    @property
    def image_size(self) -> int:
        """Height and width, in pixels, of what the body sees."""
        return self.preparation.crop

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the address, the preparation and all weights and buffers, in hexadecimal digits.

        The same in every process and on every device; vectors stored under another fingerprint are of another encoder.
        """
        told = {"address": self.address, "preparation": asdict(self.preparation), "weights": state_hash(self.body)}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def train(self, mode: bool = True) -> Encoder:
        """Do nothing: an encoder stays in evaluation mode."""
        return self

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Encode images.

        Args:
            images: Float ``(N, 3, H, W)`` or, grey, ``(N, 1, H, W)``, in 0..1, not normalised, of any size.

        Returns:
            Float ``(N, width)``, without gradients.

        Raises:
            ValueError: As :class:`Preparation`.
        """
        return self.body(self.prepare(images))

    def prepare(self, images: Tensor) -> Tensor:
        """Return what the body sees of ``images``: ``(N, 3, image_size, image_size)``, normalised."""
        return normalised(self.preparation.square(images), self.mean, self.std, 0)


def _device(module: nn.Module) -> torch.device:
    return next((value.device for value in [*module.parameters(), *module.buffers()]), torch.device("cpu"))
