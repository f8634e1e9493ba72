"""Which images a model has right, and which wrong; an unlabelled one is neither."""

from torch import Tensor

from modelheir import checks

__all__ = ["is_right", "is_wrong"]


def is_right(logits: Tensor, labels: Tensor) -> Tensor:
    """Tell where the largest logit is the label's.

    Args:
        logits: Shape ``(N, C)``; ``C`` may be fewer classes than the labels', whose images are then not right.
        labels: Integers ``(N,)``; -1 is unlabelled.

    Returns:
        Bool ``(N,)``.

    Raises:
        ValueError: If the shapes do not fit, or the labels are mixed targets.

    Example:
        >>> import torch
        >>> is_right(torch.tensor([[2.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 1]))
        tensor([ True, False])
    """
    _one_label_an_image(labels)
    checks.logits_and_labels(logits, labels)
    return logits.detach().argmax(dim=1) == labels


def is_wrong(logits: Tensor, labels: Tensor) -> Tensor:
    """Tell where the largest logit is not the label's; false for unlabelled images. As :func:`is_right`.

    >>> import torch
    >>> is_wrong(torch.tensor([[2.0, 0.0], [2.0, 0.0]]), torch.tensor([-1, 1]))
    tensor([False,  True])
    """
    return ~is_right(logits, labels) & (labels >= 0)


def _one_label_an_image(labels: Tensor) -> None:
    if labels.ndim != 1 or labels.is_floating_point():
        raise ValueError(
            f"this needs one integer label an image, and mixed targets of shape {tuple(labels.shape)} have "
            "none: turn mixing of images off, or use the filter all_pass"
        )
