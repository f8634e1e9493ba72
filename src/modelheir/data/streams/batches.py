"""From squares of one size to a batch: augmented on the device, mixed, with labels; the same for both loaders."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from modelheir.data.images import ImageSet
from modelheir.data.transforms import mixing
from modelheir.data.transforms.augment import Augment
from modelheir.data.transforms.draws import sample_keys, uniform
from modelheir.data.transforms.transfer import to_device
from modelheir.types import Batch

__all__ = ["Batches"]

_MIX_SEED = 0x6D69785F  # keeps a batch's draws apart from those of the row with its number


@dataclasses.dataclass(frozen=True, eq=False)
class Batches:
    """The batch part of one split."""

    images: ImageSet
    augment: Augment
    extra: Mapping[str, Tensor]
    device: torch.device
    view_cycle: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", torch.from_numpy(self.images.labels).to(self.device))
        object.__setattr__(self, "labelled", bool((self.images.labels >= 0).all()))
        object.__setattr__(self, "extra", {name: values.to(self.device) for name, values in self.extra.items()})
        keys = sample_keys(self.images.ids) if self.view_cycle else np.arange(len(self.images), dtype=np.uint64)
        object.__setattr__(self, "keys", keys)

    keys: np.ndarray = dataclasses.field(init=False)  #: what random choices are drawn by, uint64 ``(N,)``
    labels: Tensor = dataclasses.field(init=False)
    labelled: bool = dataclasses.field(init=False)

    def view(self, epoch: int) -> int:
        """Return the epoch whose random choices are made, where only so many views of an image are shown."""
        return epoch % self.view_cycle if self.view_cycle else epoch

    def make(
        self,
        images: Tensor,
        rows: np.ndarray,
        epoch: int,
        number: int,
        *,
        index: Tensor | None = None,
        uncut: bool = False,
    ) -> Batch:
        """Make a batch of uint8 images on the device; what else it needs travels there in at most one copy.

        Args:
            images: ``(N, 3, S, S)``; ``(N, 10, 3, S, S)`` for ten crops; ``(N, 3, H, W)`` where they are uncut.
            rows: Of the batch, ``(N,)``.
            epoch: From 0.
            number: Of the batch in the epoch.
            index: ``rows`` on the device; absent where they are not there yet.
            uncut: Whether random boxes, where there are any, are still to be cut.
        """
        augment = self.augment
        size = (images.shape[-2], images.shape[-1]) if uncut else None
        choices = augment.choose(self.keys[rows], self.view(epoch), size=size)
        own = {"index": rows} if index is None else {}
        tables = to_device({**choices.tables, **own}, self.device)
        index = tables["index"] if index is None else index
        labels = self.labels[index]
        extra = {name: values[index] for name, values in self.extra.items()}
        if augment.views > 1:
            views = tuple(view.float().div_(255) for view in images.unbind(1))
            return Batch(inputs=views, labels=labels, index=index, extra=extra, crops=True)
        images = augment.finish(images, choices, tables)
        config, targets = augment.config, None
        if augment.train and (config.mixup > 0 or config.cutmix > 0):
            draws = uniform(seed=augment.seed ^ _MIX_SEED, epoch=epoch, index=np.array([number]), slots=5)[0]
            mixture = mixing.choose_mixture(
                draws, mixup=config.mixup, cutmix=config.cutmix, probability=config.mix_probability,
                switch=config.mix_switch, size=augment.size,
            )  # fmt: skip
            images = mixing.mix(images, mixture)
            if self.images.labels[0] >= 0:
                targets = mixing.mixed_targets(labels, mixture, classes=len(self.images.classes))
        view = self.view(epoch) if self.view_cycle else 0
        return Batch(images, labels, index, targets=targets, extra=extra, labelled=self.labelled, view=view)
