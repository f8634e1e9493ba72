r"""Transplant: the old model's frozen classifier reads the new model's features (backward-compatible training).

.. math:: z^{old} = W_{old} f_{1..d'} + b_{old}, \qquad
          z^{eval}_k = (1 - \alpha) z_k + \alpha z^{old}_k \text{ for the classes that both know, else } z_k

with ``f`` the new features and ``d'`` the old width. The loss on ``z_old`` is the method's; this file has the network.

Shen et al., "Towards Backward-Compatible Representation Learning", 2020, arXiv:2003.11942 (the influence
loss). Ours differs: the bias moves with the weights; a learned projection may stand between new features and the old
head; evaluation may blend both heads. ``extend_head.py`` makes rows for classes that the old model does not know.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modelheir import checks
from modelheir.checks import InputError
from modelheir.classes import ClassList, match_classes, some_names
from modelheir.models.extended_head import head_rows, linear_head
from modelheir.types import Outputs

__all__ = ["BackwardCompatible", "rebuild", "transplant"]


class BackwardCompatible(nn.Module):
    """A classifier with the old model's frozen head beside its own."""

    def __init__(
        self,
        model: Any,
        old_head: nn.Linear,
        *,
        old_classes: Sequence[str],
        alpha: float = 0.0,
        single_head: bool = False,
        projection: bool = False,
        seed: int = 0,
    ) -> None:
        """Join ``model`` and a copy of ``old_head``; see :func:`transplant`, which takes the head out of a model."""
        super().__init__()
        checks.in_range(0, 1, alpha=alpha)
        classes, size, width = tuple(model.classes), int(model.feature_size), old_head.in_features
        found = match_classes(classes, old_classes, names=("the new model", "the old model"))
        columns, rows = (list(numbers) for numbers in zip(*found.pairs, strict=True))
        if width > size and not projection:
            raise InputError(
                f"the old head reads {width} features and the new model has {size}: "
                "take a wider new model, or turn the projection on."
            )
        if single_head and found.lacking:
            raise InputError(
                f"the old head alone cannot tell {len(found.lacking)} new classes apart "
                f"({some_names(found.lacking, 5)}): "
                "extend it first, or keep the new head."
            )
        self.model, self.alpha, self.single_head = model, alpha, single_head
        self.classes, self.feature_size = classes, size
        self.old_classes = tuple(
            classes[column] for column in columns
        )  #: columns of the old-head logits, in the new model's order
        self.old_head = head_rows(old_head, rows)
        self.projection = nn.Linear(size, width, bias=False, dtype=old_head.weight.dtype) if projection else None
        if self.projection is not None:
            nn.init.orthogonal_(self.projection.weight, generator=torch.Generator().manual_seed(seed))
        self.columns: Tensor
        self.register_buffer("columns", torch.tensor(columns, device=old_head.weight.device), persistent=False)
        if single_head:
            self.head.requires_grad_(False)

    @property
    def class_list(self) -> ClassList:
        """The classes as ``modelheir.classes`` matches them."""
        return self.classes

    def rename(self, classes: Sequence[str]) -> None:
        """Give the logits' columns these names, in order."""
        new = dict(zip(self.classes, classes, strict=True))
        self.model.rename(classes)
        self.classes, self.old_classes = tuple(classes), tuple(new[name] for name in self.old_classes)

    @property
    def head(self) -> nn.Module:
        """The new model's own classifier layer."""
        return self.model.head

    @property
    def image_size(self) -> int:
        """Height and width, in pixels, of the images that the new model was made for."""
        return int(self.model.image_size)

    @property
    def spec(self) -> dict[str, Any]:
        """The new model's specification, with what :func:`rebuild` needs under ``transplant``."""
        settings = {
            "old_classes": list(self.old_classes),
            "old_width": self.old_head.in_features,
            "alpha": self.alpha,
            "single_head": self.single_head,
            "projection": self.projection is not None,
        }
        return {**self.model.spec, "transplant": settings}

    def old_logits(self, features: Tensor) -> Tensor:
        """Return the frozen head's logits, ``(N, len(old_classes))``, for new features ``(N, D)``."""
        width = self.old_head.in_features
        return self.old_head(features[:, :width] if self.projection is None else self.projection(features))

    def forward(self, images: Tensor) -> Outputs:
        """Classify images.

        Returns:
            In training: the new head's logits, and the old head's as the first of ``auxiliary``, with one column for
            each of ``old_classes``. In evaluation: the blend, and no auxiliary logits. With ``single_head`` the old
            head's logits alone, in the order of ``classes``.
        """
        outputs: Outputs = self.model(images)
        if not self.single_head and not self.training and self.alpha == 0:
            return outputs
        old = self.old_logits(outputs.features)
        if self.single_head:
            return outputs._replace(logits=old, auxiliary=())
        if self.training:
            return outputs._replace(auxiliary=(old, *outputs.auxiliary))
        new = outputs.logits.index_select(1, self.columns)
        blend = torch.lerp(new, old.to(new.dtype), self.alpha)
        return outputs._replace(logits=outputs.logits.index_copy(1, self.columns, blend))

    @torch.no_grad()
    def merged(self) -> Any:
        """Return a plain copy of the new model whose one linear head gives this model's evaluation logits.

        Raises:
            InputError: If the new head is not linear with a bias, one row a class, or further heads join its logits.
        """
        if getattr(self.model, "auxiliary", "none") != "none" and len(self.model.auxiliary_heads):
            raise InputError(
                "heads that join the logits in evaluation cannot be merged: set network.auxiliary to none."
            )
        model = copy.deepcopy(self.model)
        head = linear_head(model, "new")
        if head.bias is None:
            raise InputError("the new model's head has no bias to merge the old one into: give it one.")
        if self.projection is None:
            weight = F.pad(self.old_head.weight, (0, head.in_features - self.old_head.in_features))
        else:
            weight = self.old_head.weight @ self.projection.weight
        alpha = 1.0 if self.single_head else self.alpha
        rows = self.columns.to(head.weight.device)
        head.weight[rows] = torch.lerp(head.weight[rows], weight.to(head.weight), alpha)
        if self.old_head.bias is not None:
            head.bias[rows] = torch.lerp(head.bias[rows], self.old_head.bias.to(head.bias), alpha)
        else:
            head.bias[rows] *= 1 - alpha
        return model


def transplant(
    model: Any,
    old: Any,
    *,
    alpha: float = 0.0,
    single_head: bool = False,
    projection: bool = False,
    head: nn.Linear | None = None,
    seed: int = 0,
) -> BackwardCompatible:
    """Put the old model's classifier, weights and bias, frozen beside the new model's.

    Args:
        model: The new classifier; trained in place, not copied.
        old: The old classifier; its head is copied, nothing else is kept.
        alpha: Share of the old head in evaluation logits, 0 to 1.
        single_head: Use the frozen old head alone; the new head is frozen too and not used.
        projection: Learn a linear map from new features to the old width, in place of taking the first coordinates.
        head: An old head with a row for every new class, in the order of ``model.classes``, as
            :func:`~modelheir.models.extended_head.extend_head` makes it; absent, the old model's own.
        seed: Of the projection's first weights.

    Raises:
        InputError: If the old head is not linear, shares no class, or needs more features than there are.
    """
    own = linear_head(old, "old")
    if head is not None:
        checks.same_shape(head=head.weight[0], old_head=own.weight[0])
    names = tuple(old.classes if head is None else model.classes)
    return BackwardCompatible(
        model, head or own, old_classes=names, alpha=alpha, single_head=single_head, projection=projection, seed=seed
    )


def rebuild(model: Any, settings: Mapping[str, Any]) -> BackwardCompatible:
    """Make the module of a saved ``spec["transplant"]`` again; its weights come from the state dict."""
    head = nn.Linear(settings["old_width"], len(settings["old_classes"]))
    return BackwardCompatible(
        model,
        head,
        old_classes=settings["old_classes"],
        alpha=settings["alpha"],
        single_head=settings["single_head"],
        projection=settings["projection"],
    )
