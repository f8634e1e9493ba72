"""A classifier as an encoder: what its last layer would read."""

from __future__ import annotations

from torch import Tensor, nn

from modelheir.address import LIBRARIES, Address
from modelheir.checks import InputError
from modelheir.config.network import NetworkConfig
from modelheir.models.bodies.library import published
from modelheir.models.building import build
from modelheir.models.classifier import Classifier
from modelheir.models.encoders.encoder import Encoder
from modelheir.models.encoders.preparation import Preparation
from modelheir.models.files.load import load

__all__ = ["Features", "classifier_encoder"]


class Features(nn.Module):
    """Images in 0..1 to the features of a classifier, which normalises them itself."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, images: Tensor) -> Tensor:
        """Return the input of the classifier layer, ``(N, D)``, before dropout."""
        return self.classifier(images).features


def classifier_encoder(address: Address, image_size: int = 0) -> Encoder:
    """Make an encoder of ``run:``, ``file:``, ``tv:``, ``timm:`` or ``pkg:``.

    Published weights see images of their own size, others of the size that they were trained on, unless
    ``image_size`` says another.

    Args:
        address: Of the classifier.
        image_size: Pixels a side; 0 is the classifier's own.

    Raises:
        InputError: If the classifier cannot be loaded, or nothing says the size of its images.
    """
    classifier = _published(address.text, image_size) if address.kind in LIBRARIES else _trained(address, image_size)
    size = image_size or classifier.resolution or classifier.image_size
    if not size:
        raise InputError(f"{address.text} does not say the size of its images: give image_size.")
    return Encoder(Features(classifier), address=address.text, preparation=Preparation(size, size))


def _published(spec: str, image_size: int) -> Classifier:
    """Build a network with published weights; those without a classifier get one that nothing reads."""
    told = published(spec)
    size = image_size or told.image_size
    config = NetworkConfig(pretrained=True, resolution=size)
    return build(spec, classes=told.classes or ("any",), image_size=size, config=config)


def _trained(address: Address, image_size: int) -> Classifier:
    found = load(address.text, image_size=image_size)
    if image_size and found.resolution:  # it would resize the images again
        found.resolution = image_size
    return found
