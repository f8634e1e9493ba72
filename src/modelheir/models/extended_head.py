r"""Extend a classifier layer to further classes from class-mean features, without training.

.. math:: w_k = r \, \frac{\mu_k}{\lVert \mu_k \rVert}, \qquad \mu_k = \tfrac{1}{N_k} \sum_{y_n = k} f_n

Shen et al., "Towards Backward-Compatible Representation Learning", 2020, arXiv:2003.11942 (synthesised
classifier weights). Ours differs: ``r`` is the mean length of the old rows, so that new logits are as large as old
ones, and a new row's bias is the mean of the old biases.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modelheir import checks
from modelheir.checks import InputError
from modelheir.classes import match_classes

__all__ = ["class_mean_weights", "empty_head", "extend_head", "head_rows", "linear_head"]


def class_mean_weights(features: Tensor, labels: Tensor, classes: Sequence[int], *, length: float) -> Tensor:
    """Synthesise a classifier row for each class: the direction of its mean feature.

    Args:
        features: Of the old model, ``(N, D)``.
        labels: int64 ``(N,)``.
        classes: The labels that need a row.
        length: Euclidean length of each row, ``> 0``.

    Returns:
        Rows, ``(len(classes), D)``.

    Raises:
        ValueError: If a class has no image, or shapes do not fit.

    Example:
        >>> class_mean_weights(torch.tensor([[3.0, 0.0], [9.0, 0.0]]), torch.tensor([5, 5]), [5], length=2)
        tensor([[2., 0.]])
    """
    checks.logits_and_labels(features, labels)
    checks.above(0, length=length)
    counts = [int((labels == one).sum()) for one in classes]
    if 0 in counts:
        raise ValueError(f"class {classes[counts.index(0)]} has no image to take a mean feature from")
    means = [features[labels == one].float().mean(dim=0) for one in classes]
    return length * F.normalize(torch.stack(means), dim=1)


@torch.no_grad()
def extend_head(old: Any, classes: Sequence[str], features: Tensor, labels: Tensor) -> nn.Linear:
    """Return the old head with a row for every class of ``classes``, matched by name.

    Args:
        old: The old classifier, with a linear head.
        classes: The new class list; ``labels`` count in it.
        features: Of the **old** model on images that include every new class, ``(N, D)``.
        labels: int64 ``(N,)``.

    Raises:
        InputError: If the old head is not linear.
        ValueError: If a new class has no image.
    """
    head = linear_head(old, "old")
    new = empty_head(head, len(classes))
    rows_of = match_classes(classes, old.classes, may_differ=True).to_theirs
    unseen, seen = np.flatnonzero(rows_of < 0).tolist(), np.flatnonzero(rows_of >= 0).tolist()
    rows = rows_of[seen].tolist()
    new.weight[seen] = head.weight[rows]
    if unseen:
        length = float(head.weight.norm(dim=1).mean())
        new.weight[unseen] = class_mean_weights(features, labels, unseen, length=length).to(new.weight)
    if head.bias is not None:
        new.bias[seen] = head.bias[rows]
        new.bias[unseen] = head.bias.mean()
    return new.requires_grad_(False)


def linear_head(model: Any, which: str) -> nn.Linear:
    """Return a model's classifier layer; ``which`` names the model in the error.

    Raises:
        InputError: If it is not linear with one row a class.
    """
    head, count = model.head, len(model.classes)
    if not isinstance(head, nn.Linear) or head.out_features != count:
        raise InputError(
            f"the {which} model's classifier is not one linear layer with a row for each of its {count} classes, "
            "so it cannot be transplanted."
        )
    return head


@torch.no_grad()
def head_rows(head: nn.Linear, rows: Sequence[int]) -> nn.Linear:
    """Return a frozen copy of some rows of a head."""
    new = empty_head(head, len(rows))
    new.weight.copy_(head.weight[list(rows)])
    if head.bias is not None:
        new.bias.copy_(head.bias[list(rows)])
    return new.requires_grad_(False)


def empty_head(head: nn.Linear, rows: int) -> nn.Linear:
    """Return an unfilled head of as many features, without a random draw."""
    weight = head.weight
    return nn.utils.skip_init(  # pyright: ignore[reportReturnType]
        nn.Linear, head.in_features, rows, bias=head.bias is not None, device=weight.device, dtype=weight.dtype
    )
