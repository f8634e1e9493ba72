r"""Diagonal empirical Fisher information: how much each weight matters to what a model says.

.. math:: F_j = \frac{1}{c N} \sum_n \Big(\frac{\partial \log p_{\hat y_n}(x_n)}{\partial \theta_j}\Big)^2,
          \qquad \hat y_n = \arg\max_k z_{nk}

with ``c`` such that the mean over all parameters is 1.

Schumann et al., "Backward Compatibility During Data Updates by Weight Interpolation", 2023, arXiv:2301.10546. The
gradient is squared image by image, never after a mean over a batch; labels are the model's own answers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from modelheir import checks
from modelheir.types import Batch

__all__ = ["empirical_fisher"]


def empirical_fisher(
    model: nn.Module,
    batches: Iterable[Batch],
    *,
    how: Literal["auto", "vmap", "loop"] = "auto",
    chunk_size: int | None = 32,
) -> dict[str, Tensor]:
    """Compute the diagonal empirical Fisher information, scaled to mean 1 over all parameters.

    Args:
        model: The classifier; run in evaluation mode, and left as it was.
        batches: Batches of images, such as ``stream.epoch(0)``; labels are not read.
        how: ``vmap`` differentiates many images at once, ``loop`` one after another; ``auto`` takes ``vmap`` where
            every operation of the network supports it. The values agree to rounding.
        chunk_size: Images differentiated at once with ``vmap``; bounds memory to about that many copies of the weights.

    Returns:
        Parameter name -> importance ``>= 0``, float32, of the parameter's shape.

    Raises:
        ValueError: If there is no image, or no parameter has a gradient.
    """
    checks.one_of(("auto", "vmap", "loop"), how=how)
    modes = {part: part.training for part in model.modules()}
    model.eval()
    parameters = {name: value.detach() for name, value in model.named_parameters()}
    buffers = {name: value.detach() for name, value in model.named_buffers()}
    sums = {name: torch.zeros_like(value, dtype=torch.float32) for name, value in parameters.items()}
    count = 0

    def surprise(weights: dict[str, Tensor], image: Tensor) -> Tensor:
        outputs: Any = functional_call(model, (weights, buffers), (image[None],))
        return -outputs.logits.float().log_softmax(dim=1).amax(dim=1).sum()

    gradients = vmap(grad(surprise), in_dims=(None, 0), chunk_size=chunk_size, randomness="error")
    try:
        for batch in batches:
            count += len(batch)
            if how != "loop":
                try:
                    for name, value in gradients(parameters, batch.inputs).items():
                        sums[name] += value.float().square().sum(dim=0)
                    continue
                except (RuntimeError, NotImplementedError) as error:
                    if how == "vmap" or isinstance(error, torch.OutOfMemoryError):
                        raise
                    how = "loop"  # some operation has no batching rule; nothing was added for this batch yet
            for image in batch.inputs:
                for name, value in grad(surprise)(parameters, image).items():
                    sums[name] += value.float().square()
    finally:
        for part, mode in modes.items():
            part.training = mode
    checks.at_least(1, images=count)
    size = sum(value.numel() for value in sums.values())
    mean = sum(float(value.sum()) for value in sums.values()) / size
    checks.above(0, mean_squared_gradient=mean)
    return {name: value / mean for name, value in sums.items()}
