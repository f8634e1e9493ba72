"""What each layer of a network says about some inputs, as arrays: what representations are compared by.

By the rule ``fixed`` the network is in evaluation mode. The older Seq-to-Final code ran single models with the
statistics of the inputs themselves, all in one batch, and only joint models in evaluation mode; ``compat`` does the
former.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
import torch
from torch import nn

from modelheir import checks
from modelheir.models.taps import Taps
from modelheir.types import Batch

__all__ = ["layer_activations"]


@torch.no_grad()
def layer_activations(
    model: nn.Module,
    layers: Mapping[str, str],
    batches: Iterable[Batch],
    *,
    rule: Literal["fixed", "compat"] = "fixed",
) -> dict[str, np.ndarray]:
    """Record the outputs of layers.

    Args:
        model: Any network; stays as it is, in its mode.
        layers: Layer -> path of its module, as :class:`~modelheir.models.Taps` reads it.
        batches: Batches of images, such as ``stream.epoch(0)``; labels are not read.
        rule: See the file; without batch normalisation there is no difference.

    Returns:
        Layer -> float32 ``(N, D)``: channels and positions in one row an image.

    Raises:
        InputError: If there is no such module.
        ValueError: If there are no images.
    """
    checks.one_of(("fixed", "compat"), rule=rule)
    model = copy.deepcopy(model).eval()
    inputs = [batch.inputs for batch in batches]
    checks.at_least(1, batches=len(inputs))
    if rule == "compat":
        inputs = [torch.cat(inputs)]
        for part in model.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.train()
    taps = Taps(model, layers.values(), detach=True, copy=True)
    found: dict[str, list[np.ndarray]] = {layer: [] for layer in layers}
    for images in inputs:
        with taps.record() as kept:
            model(images)
        for layer, path in layers.items():
            found[layer].append(kept[path].float().flatten(1).cpu().numpy())
    return {layer: np.concatenate(rows) for layer, rows in found.items()}
