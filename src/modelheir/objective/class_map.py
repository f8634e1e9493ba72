"""Class map: which outputs of two models mean the same class, and which images both can be compared on.

Classes are matched by name where both models have names; models without names are matched by position, over their
common prefix. Images whose label is not shared are masked, not removed, so that shapes stay fixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from modelheir import checks

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
        new: Class names of the new model in the order of its logits, or how many there are.
        old: The same of the old model.

    Raises:
        InputError: If names repeat or no class is shared.

    Example:
        >>> shared = ClassMap(["cat", "dog", "owl"], ["owl", "cat"])
        >>> shared.pairs
        ((0, 1), (2, 0))
        >>> new, old = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[4.0, 5.0]])
        >>> shared(new, old, torch.tensor([2]))
        Shared(new=tensor([[1., 3.]]), old=tensor([[5., 4.]]), labels=tensor([1]), mask=tensor([True]))
    """

    new_index: Tensor
    old_index: Tensor
    position: Tensor

    def __init__(self, new: Sequence[str] | int, old: Sequence[str] | int) -> None:
        super().__init__()
        self.pairs = _pairs(new, old)  #: (new index, old index) of each shared class, in the new model's order
        self.counts = (new if isinstance(new, int) else len(new), old if isinstance(old, int) else len(old))
        self.identical = self.counts[0] == self.counts[1] and all(i == j for i, j in self.pairs)
        self.identical = self.identical and len(self.pairs) == self.counts[0]
        new_index, old_index = torch.tensor(self.pairs).unbind(1)
        position = torch.full((self.counts[0],), -1)
        position[new_index] = torch.arange(len(self.pairs))
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


def _pairs(new: Sequence[str] | int, old: Sequence[str] | int) -> tuple[tuple[int, int], ...]:
    if isinstance(new, int) or isinstance(old, int):
        sizes = [classes if isinstance(classes, int) else len(classes) for classes in (new, old)]
        pairs = tuple((i, i) for i in range(min(sizes)))
    else:
        for side, names in (("new", new), ("old", old)):
            repeated = sorted({name for name in names if names.count(name) > 1})
            if repeated:
                raise checks.InputError(f"class names of the {side} model repeat: {', '.join(repeated[:5])}")
        place = {name: j for j, name in enumerate(old)}
        pairs = tuple((i, place[name]) for i, name in enumerate(new) if name in place)
    if not pairs:
        raise checks.InputError(
            f"the new and the old model share no class: new has {_few(new)}, old has {_few(old)}; give both the same "
            "names, or models without names to match by position"
        )
    return pairs


def _few(classes: Sequence[str] | int) -> str:
    if isinstance(classes, int):
        return f"{classes} classes"
    return ", ".join(list(classes)[:3]) + (", ..." if len(classes) > 3 else "") if classes else "no classes"
