"""A head together with the encoder of its vectors: both trained on images, or the encoder frozen again.

Meta Co-Training (arXiv:2311.18083) trains encoder and head on the labelled images first (full-parameter fine-tuning),
then freezes the encoder for what follows, as one that moves while views teach each other collapsed there. Each step
makes copies, so that the encoder and the head that were given stay as they are. A frozen encoder stays in evaluation
mode whatever ``train()`` says; there it was put in training mode, so that stochastic depth and statistics moved.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from modelheir.checks import InputError
from modelheir.models.teachers.freeze import freeze, thawed_copy
from modelheir.models.vector_heads.head import VectorHead
from modelheir.types import Outputs

__all__ = ["OnEncoder", "encoder_width", "fine_tuned", "frozen_again"]


class OnEncoder(nn.Module):
    """Images to :class:`~modelheir.types.Outputs`, by way of vectors.

    Args:
        encoder: Images to vectors ``(N, D)``.
        head: Of that width.
        frozen: Freeze the encoder, in place: no gradient reaches it and its mode stays.
    """

    def __init__(self, encoder: nn.Module, head: VectorHead, *, frozen: bool = False) -> None:
        super().__init__()
        self.encoder, self.head, self.frozen = freeze(encoder) if frozen else encoder, head, frozen

    def forward(self, images: Tensor) -> Outputs:
        """Classify images, as the encoder takes them."""
        if self.frozen:
            with torch.no_grad():
                vectors = self.encoder(images)
        else:
            vectors = self.encoder(images)
        return self.head(vectors)


def fine_tuned(encoder: nn.Module, head: VectorHead) -> OnEncoder:
    """Return copies of an encoder and a head to be trained together: gradients flow everywhere.

    Example:
        >>> from modelheir.config.vector_head import VectorHeadConfig
        >>> from modelheir.models import build_vector_head
        >>> model = fine_tuned(nn.Flatten(), build_vector_head(VectorHeadConfig(), width=12, classes=["a", "b"]))
        >>> model(torch.zeros(2, 3, 2, 2)).logits.shape
        torch.Size([2, 2])
    """
    return OnEncoder(thawed_copy(encoder), thawed_copy(head))


def frozen_again(model: OnEncoder) -> OnEncoder:
    """Return a copy whose encoder is frozen as it is now and whose head trains on."""
    return OnEncoder(thawed_copy(model.encoder), thawed_copy(model.head), frozen=True)


def encoder_width(encoder: nn.Module, images: Tensor) -> int:
    """Return how many numbers a vector of an encoder has, by running it once in evaluation mode.

    Args:
        encoder: Images to vectors; its mode and statistics stay as they are.
        images: One or more, as it takes them; zeros will do.

    Raises:
        InputError: If what it returns is no ``(N, D)``.
    """
    modes = {one: one.training for one in encoder.modules()}
    try:
        with torch.no_grad():
            found = encoder.eval()(images)
    finally:
        for one, mode in modes.items():
            one.training = mode
    if not isinstance(found, Tensor) or found.ndim != 2 or len(found) != len(images):
        said = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise InputError(f"the encoder returned {said} for {len(images)} images: it must return vectors (N, D).")
    return int(found.shape[1])
