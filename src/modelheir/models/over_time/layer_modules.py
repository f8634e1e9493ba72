"""A classifier as a list of layers that run one after another: stem, blocks, head."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from modelheir.checks import InputError
from modelheir.models.bodies.blocks import FAMILIES, BlocksBody
from modelheir.models.module_names import title

__all__ = ["HEAD", "STEM", "Tail", "layer_modules", "layer_names"]

STEM, HEAD = "conv1", "fc"


class Tail(nn.Module):
    """What follows the blocks: normalisation where the family has it, mean over positions, classifier layer."""

    def __init__(self, neck: nn.Module, dropout: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        self.neck, self.dropout, self.head = neck, dropout, head

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits ``(N, C)`` and features ``(N, D)``."""
        features = self.neck(maps).mean(dim=(2, 3))
        return self.head(self.dropout(features)), features


def layer_names(model: Any) -> tuple[str, ...]:
    """Return the names of the layers, ``conv1``, ``layer1``, ... and ``fc``.

    Raises:
        InputError: As :func:`layer_modules`.
    """
    return tuple(layer_modules(model))


def layer_modules(model: Any) -> dict[str, nn.Module]:
    """Return the layers by name, in the order in which they run; they stay the classifier's own.

    Raises:
        InputError: If the network is none of stem, blocks and one plain classifier layer.
    """
    plain = isinstance(getattr(model, "body", None), BlocksBody) and isinstance(model.head, nn.Linear)
    if not plain or model.spec["network"]["embedding"] or model.members > 1 or "side" in model.spec:
        raise InputError(
            f"{title(model)} cannot change layer by layer over time: that takes one of {', '.join(FAMILIES)}, with a "
            "linear classifier layer, and no network.embedding, several inputs or side modules."
        )
    body = model.body
    names = (STEM, *body.layers)
    return {**{name: body.get_submodule(name) for name in names}, HEAD: Tail(body.neck, model.dropout, model.head)}
