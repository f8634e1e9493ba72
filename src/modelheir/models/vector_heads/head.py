"""A classifier of vectors, the same outside for every kind: scaling, layers, logits; one head or several joined."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from modelheir.checks import InputError
from modelheir.classes import ClassList
from modelheir.models.vector_heads.ensemble import StackedLayers, joined_logits, joined_uncertainty
from modelheir.models.vector_heads.layers import Layers
from modelheir.models.vector_heads.scaling import Scaling
from modelheir.types import Outputs

__all__ = ["VectorHead"]


class VectorHead(nn.Module):
    """Vectors ``(N, D)`` to :class:`~modelheir.types.Outputs`.

    Args:
        scaling: What is done to vectors first.
        layers: Of one head, or of several stacked.
        spec: What :func:`~modelheir.models.from_spec` needs to build the same again; JSON values.
    """

    def __init__(self, scaling: Scaling, layers: Layers | StackedLayers, *, spec: Mapping[str, Any]) -> None:
        super().__init__()
        self.scaling, self.layers = scaling, layers
        self.spec = copy.deepcopy(dict(spec))

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the logits' columns."""
        return tuple(self.spec["classes"])

    @property
    def class_list(self) -> ClassList:
        """The classes as ``modelheir.classes`` matches them."""
        return self.classes

    def rename(self, classes: Sequence[str]) -> None:
        """Give the logits' columns these names, in order."""
        self.spec["classes"] = list(classes)

    @property
    def width(self) -> int:
        """Numbers ``D`` in a vector."""
        return int(self.spec["width"])

    @property
    def feature_size(self) -> int:
        """Width ``F`` of the features."""
        return self.width if isinstance(self.layers, StackedLayers) else self.layers.last.in_features

    @property
    def image_size(self) -> int:
        """0: it reads no images."""
        return 0

    def forward(self, vectors: Tensor) -> Outputs:
        """Classify vectors.

        Args:
            vectors: Float ``(N, D)``, as the encoder gave them.

        Returns:
            Logits ``(N, C)`` and features ``(N, F)``: the input of the last layer, or of several heads their common
            input. Several heads' logits are joined, and in training each one's own are the further heads'.

        Raises:
            InputError: If these are no vectors of the head's width.
        """
        scaled = self._scaled(vectors)
        if not isinstance(self.layers, StackedLayers):
            return Outputs(*self.layers(scaled))
        members = self.layers(scaled)[0]
        return Outputs(joined_logits(members), scaled, tuple(members.unbind()) if self.training else ())

    def member_logits(self, vectors: Tensor) -> Tensor:
        """Return each head's own logits, ``(M, N, C)``; ``M`` is 1 for a single head."""
        logits = self.layers(self._scaled(vectors))[0]
        return logits if isinstance(self.layers, StackedLayers) else logits[None]

    def uncertainty(self, vectors: Tensor) -> Tensor:
        """Return ``(N,)``, 0 to 1, lower is surer: see :func:`~modelheir.models.vector_heads.joined_uncertainty`."""
        return joined_uncertainty(self.member_logits(vectors))

    def _scaled(self, vectors: Tensor) -> Tensor:
        if not isinstance(vectors, Tensor) or vectors.ndim != 2 or vectors.shape[1] != self.width:
            shape = tuple(vectors.shape) if isinstance(vectors, Tensor) else type(vectors).__name__
            raise InputError(
                f"this head reads stored vectors of {self.width} numbers, shape (N, {self.width}), and was given "
                f"{shape}: give it the vectors of the encoder that it was trained on."
            )
        return self.scaling(vectors if vectors.is_floating_point() else vectors.to(torch.get_default_dtype()))
