"""Gradients of a loss with respect to every parameter: of each image alone, or of a batch.

Nothing is written to the parameters' own ``grad``, and frozen parameters have gradients here too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from modelheir import checks
from modelheir.types import Batch

__all__ = ["How", "Loss", "batch_gradient", "in_evaluation", "need_labels", "per_image_gradients"]

How = Literal["auto", "vmap", "loop"]
Loss = Callable[[Tensor, Tensor], Tensor]  #: logits ``(N, C)`` and labels ``(N,)`` to a scalar


@contextlib.contextmanager
def in_evaluation(model: nn.Module) -> Iterator[None]:
    """Run a model in evaluation mode for a while; every part then has the mode it had."""
    modes = {part: part.training for part in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode


def need_labels(batch: Batch) -> None:
    """Refuse a batch with an unlabelled image.

    Raises:
        ValueError: If a label is below 0.
    """
    if bool((batch.labels < 0).any()):
        raise ValueError("gradients of the label's loss need labelled images, and a label here is -1")


def batch_gradient(model: nn.Module, batch: Batch, loss: Loss) -> dict[str, Tensor]:
    """Return the gradient of a batch's loss: name -> a tensor of the parameter's shape.

    Args:
        model: The classifier, in the mode it is in.
        batch: Images and labels.
        loss: Of logits ``(N, C)`` and labels ``(N,)``, a scalar.
    """
    parameters, buffers = _state(model)

    def value(weights: dict[str, Tensor]) -> Tensor:
        outputs: Any = functional_call(model, (weights, buffers), (batch.inputs,))
        return loss(outputs.logits.float(), batch.labels)

    return {name: value.float() for name, value in grad(value)(parameters).items()}


def per_image_gradients(
    model: nn.Module, batches: Iterable[Batch], loss: Loss, *, how: How = "auto", chunk_size: int | None = 32
) -> Iterator[dict[str, Tensor]]:
    """Yield the gradients of each image's own loss, some images at a time and each once.

    Args:
        model: The classifier, in the mode it is in; its parts must not mix the images of a batch.
        batches: Batches of images, such as ``stream.epoch(0)``.
        loss: Of logits ``(1, C)`` and labels ``(1,)``, a scalar.
        how: ``vmap`` differentiates many images at once, ``loop`` one after another; ``auto`` takes ``vmap`` where
            every operation of the network supports it. The values agree to rounding.
        chunk_size: Images at once with ``vmap``; memory holds so many copies of the weights. ``None`` is a batch.

    Yields:
        Name -> float32 ``(n, *shape)`` of the parameter's shape, for ``n`` images.

    Raises:
        InputError: If ``how`` is another word.
    """
    checks.one_of(("auto", "vmap", "loop"), how=how)
    parameters, buffers = _state(model)

    def value(weights: dict[str, Tensor], image: Tensor, label: Tensor) -> Tensor:
        outputs: Any = functional_call(model, (weights, buffers), (image[None],))
        return loss(outputs.logits.float(), label[None])

    one = grad(value)
    many = vmap(one, in_dims=(None, 0, 0), randomness="error")
    for batch in batches:
        start, size = 0, chunk_size or max(len(batch), 1)
        while start < len(batch):
            images, labels = (
                part[start : start + (size if how != "loop" else 1)] for part in (batch.inputs, batch.labels)
            )
            if how == "loop":
                found = {name: value[None] for name, value in one(parameters, images[0], labels[0]).items()}
            else:
                try:
                    found = many(parameters, images, labels)
                except (RuntimeError, NotImplementedError) as error:
                    if how == "vmap" or isinstance(error, torch.OutOfMemoryError):
                        raise
                    how = "loop"  # some operation has no batching rule
                    continue
            yield {name: value.float() for name, value in found.items()}
            start += len(labels)


def _state(model: nn.Module) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    parameters = {name: value.detach() for name, value in model.named_parameters()}
    return parameters, {name: value.detach() for name, value in model.named_buffers()}
