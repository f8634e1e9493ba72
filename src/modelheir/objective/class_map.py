"""Class map: which outputs of two models mean the same class, and which images both can be compared on.

``modelheir.classes`` decides which are the same. Images whose label is not shared are masked, not removed, so that
shapes stay fixed.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from modelheir import checks
from modelheir.classes import ClassMatch

__all__ = ["ClassMap", "Shared"]


class Shared(NamedTuple):
    """Two models' outputs over the ``S`` classes that they share."""

    new: Tensor  #: ``(N, S)``
    old: Tensor  #: ``(N, S)``
    labels: Tensor  #: int64 ``(N,)``, 0 to ``S - 1``, or -1 where the label is not shared or not known
    mask: Tensor  #: bool ``(N,)``, true where the label is shared


class ClassMap(nn.Module):
    """Select the shared classes from the outputs of a new and an old model.

    Args:
        match: Of the new model's class list, *ours*, with the old one's.

    Raises:
        ValueError: If no class is shared.

    Example:
        >>> from modelheir.classes import match_classes
        >>> shared = ClassMap(match_classes(["cat", "dog", "owl"], ["owl", "cat"]))
        >>> new, old = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[4.0, 5.0]])
        >>> shared(new, old, torch.tensor([2]))
        Shared(new=tensor([[1., 3.]]), old=tensor([[5., 4.]]), labels=tensor([1]), mask=tensor([True]))
    """

    new_index: Tensor
    old_index: Tensor
    position: Tensor

    def __init__(self, match: ClassMatch) -> None:
        super().__init__()
        if not match.pairs:
            raise ValueError("a class map needs at least one shared class")
        self.counts = (len(match.ours), len(match.theirs))
        self.identical = match.identical
        new_index, old_index = torch.tensor(match.pairs).unbind(1)
        position = torch.full((self.counts[0],), -1)
        position[new_index] = torch.arange(len(new_index))
        self.register_buffer("new_index", new_index, persistent=False)
        self.register_buffer("old_index", old_index, persistent=False)
        self.register_buffer("position", position, persistent=False)

    def forward(self, new: Tensor, old: Tensor, labels: Tensor) -> Shared:
        """Return the shared part of logits ``new`` ``(N, C)`` and ``old`` ``(N, C')`` and of ``labels`` ``(N,)``.

        Labels are the new model's; -1 is unlabelled.
        """
        checks.logits_and_labels(new, labels)
        checks.two_dimensional(old=old)
        checks.same_length(new=new, old=old)
        if (new.shape[1], old.shape[1]) != self.counts:
            raise ValueError(
                f"class map is for {self.counts[0]} new and {self.counts[1]} old classes, "
                f"got logits with {new.shape[1]} and {old.shape[1]}"
            )
        if self.identical:
            return Shared(new, old, labels, labels >= 0)
        position = self.position.to(labels.device)
        shared = position[labels.clamp_min(0)].masked_fill(labels < 0, -1)
        new_index, old_index = self.new_index.to(new.device), self.old_index.to(old.device)
        return Shared(new.index_select(1, new_index), old.index_select(1, old_index), shared, shared >= 0)

    def is_new(self) -> Tensor:
        """Return bool ``(C,)``: true for classes that the old model does not know."""
        return self.position < 0
