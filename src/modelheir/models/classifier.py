"""A classifier: normalisation, body, features, classifier layer; the same outside for every architecture.

A body is a module that turns normalised images into features ``(N, D)`` (or maps ``(N, D, H, W)``) and has
``feature_size``; one with further heads also has ``auxiliary_sizes`` and ``forward_auxiliary(images)``, which returns
the features and the input of each further head. No hooks: the library's own classifier layer is moved out of the body.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modelheir.classes import ClassList
from modelheir.models.bodies.mimo import average_members, join_members, repeat_members, split_members
from modelheir.models.heads import ConvHead
from modelheir.types import Outputs

__all__ = ["Classifier", "normalised"]


def normalised(images: Tensor, mean: Tensor, std: Tensor, resolution: int) -> Tensor:
    """Resize images to ``resolution`` pixels a side, where it is not 0, and normalise each channel."""
    if resolution and images.shape[-2:] != (resolution, resolution):
        images = F.interpolate(images, size=(resolution,) * 2, mode="bilinear", antialias=True)
    return (images - mean.to(images.dtype)) / std.to(images.dtype)


class Classifier(nn.Module):
    """Images in 0..1 to :class:`~modelheir.types.Outputs`."""

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        body: nn.Module,
        head: nn.Module,
        *,
        spec: Mapping[str, Any],
        embedding: nn.Module | None = None,
        dropout: float = 0.0,
        auxiliary_heads: Sequence[nn.Module] = (),
        layout: Mapping[str, str] | None = None,
    ) -> None:
        """Join the parts.

        Args:
            body: Normalised images to features or maps.
            head: The last layer, features to logits.
            spec: What :func:`~modelheir.models.from_spec` needs to build the same network again; JSON values.
            embedding: A layer between the body's features and the classifier.
            dropout: Of the features before the classifier, 0 to 1. ``Outputs.features`` are not dropped.
            auxiliary_heads: One a further head of the body.
            layout: Our parameter prefix to the library's, for reading the library's checkpoints.
        """
        super().__init__()
        self.body = body
        self.embedding = embedding or nn.Identity()
        self.dropout = nn.Dropout(dropout) if dropout > 0 else nn.Identity()
        self.head = head
        self.auxiliary_heads = nn.ModuleList(auxiliary_heads)
        self.spec = copy.deepcopy(dict(spec))
        self.named = True  #: whether the names of the classes are known; ``load`` sets it
        self.layout = dict(layout or {"body": "", "head": "fc"})
        self.auxiliary: str = spec["network"]["auxiliary"]
        self.members: int = spec["network"]["mimo_members"]
        self.repetition: float = spec["network"]["mimo_repeat"]
        self.resolution: int = spec["resolution"]
        self.register_buffer("mean", torch.tensor(spec["mean"], dtype=torch.float32).view(1, -1, 1, 1), False)
        self.register_buffer("std", torch.tensor(spec["std"], dtype=torch.float32).view(1, -1, 1, 1), False)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the logits' columns."""
        return tuple(self.spec["classes"])

    @property
    def class_list(self) -> ClassList:
        """The classes as ``modelheir.classes`` matches them: only how many, where the loaded weights say no names."""
        return self.classes if self.named else len(self.classes)

    def rename(self, classes: Sequence[str]) -> None:
        """Give the logits' columns these names, in order."""
        self.spec["classes"], self.named = list(classes), True

    @property
    def image_size(self) -> int:
        """Height and width, in pixels, of the images that the network was made for."""
        return int(self.spec["image_size"])

    @property
    def feature_size(self) -> int:
        """Width ``D`` of the features."""
        return int(self.head.in_features)  # pyright: ignore[reportArgumentType]

    def forward(self, images: Tensor) -> Outputs:
        """Classify images.

        Args:
            images: Float ``(N, channels, H, W)`` in 0..1, not normalised.

        Returns:
            Logits ``(N, C)``, features ``(N, D)`` before dropout, and in training the logits of further heads. In
            evaluation those heads join the logits where the setting ``auxiliary`` says so.
        """
        images = self.prepare(images)
        if self.members > 1:
            return self._members(images)
        if len(self.auxiliary_heads) and (self.training or self.auxiliary != "none"):
            found, inner = self.body.forward_auxiliary(images)  # pyright: ignore[reportCallIssue]
            further = tuple(head(x) for head, x in zip(self.auxiliary_heads, inner, strict=True))
        else:
            found, further = self.body(images), ()
        features = self._features(found)
        if isinstance(self.head, ConvHead):
            logits = self.head(self.dropout(found))
        else:
            logits = self.head(self.dropout(features))
        if self.training or not further:
            return Outputs(logits, features, further)
        heads = torch.stack((logits, *further))
        return Outputs(heads.mean(dim=0) if self.auxiliary == "avg" else heads.amax(dim=0), features)

    def _features(self, found: Tensor) -> Tensor:
        return self.embedding(found.mean(dim=(2, 3)) if found.ndim == 4 else found)

    def _members(self, images: Tensor) -> Outputs:
        """Run as several members in one network: each further member's logits are auxiliary in training."""
        if not self.training:
            features = self._features(self.body(repeat_members(images, members=self.members)))
            return Outputs(average_members(self.head(self.dropout(features)), members=self.members), features)
        joined, order = join_members(images, members=self.members, repetition=self.repetition)
        features = self._features(self.body(joined))
        logits, *others = split_members(self.head(self.dropout(features)), order)
        return Outputs(logits, features, tuple(others))

    def prepare(self, images: Tensor) -> Tensor:
        """Resize to the network's own resolution, where it has one, and normalise."""
        return normalised(images, self.mean, self.std, self.resolution)
