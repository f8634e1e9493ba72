"""The data that a plan is handed: splits, how they are read, and streams over them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modelheir import data

if TYPE_CHECKING:
    from torch import Tensor

    from modelheir.config.inputs import InputConfig
    from modelheir.inference import Runtime
    from modelheir.types import Stream

__all__ = ["EARLIER", "Data"]

EARLIER = "test_earlier"  #: the split of the reporting images of steps before the newest
_EVALUATED = ("val", "test", EARLIER)


@dataclasses.dataclass(frozen=True)
class Data:
    """Splits of one class list, and how every method reads them."""

    splits: Mapping[str, data.ImageSet]  #: train, val (selection), test (reporting), perhaps unlabelled; or that alone
    inputs: InputConfig  #: with the size of the pictures
    batch_size: int  #: of all processes together
    seed: int  #: of order and augmentation
    runtime: Runtime  #: this process and its peers
    stores: dict[Any, Any] = dataclasses.field(default_factory=dict)  #: splits decoded so far, shared
    view_cycle: int = 0  #: views of an image that come again and again, as a teacher cache has them; 0: new ones

    @property
    def classes(self) -> tuple[str, ...]:
        """The class list, the same in every split."""
        return tuple(self._first.classes)

    @property
    def image_size(self) -> int:
        """Height and width of the images that reach the model, in pixels."""
        return self.resolved.image_size

    @property
    def resolved(self) -> InputConfig:
        """The settings with "auto" and 0 replaced by what they mean for the training images."""
        return data.resolve(self.inputs, self._first)

    @property
    def _first(self) -> data.ImageSet:
        """The training images; where there is no such split, the first."""
        return self.splits["train"] if "train" in self.splits else next(iter(self.splits.values()))

    @property
    def fixed_view(self) -> bool:
        """Whether every epoch shows an image's centre view of evaluation, so that a frozen model sees it only once."""
        found = self.resolved
        return found.augment == "none" and not (found.erase or found.mixup or found.cutmix)

    def stream(
        self,
        split: str = "train",
        *,
        train: bool = True,
        views: str = "centre",
        extra: Mapping[str, Tensor] | None = None,
        **settings: Any,
    ) -> Stream:
        """Return a stream over a split; ``train`` shuffles and augments, else all are in order, one centre view each.

        The picture sizes are those that ``inputs.views`` asks for, whatever ``views`` is. Further settings are those
        of :func:`modelheir.data.make_stream`.
        """
        images = self.splits[split]
        given = {"seed": self.seed, "rank": self.runtime.rank, "world": self.runtime.world}
        given |= {"view_cycle": self.view_cycle if train else 0, **settings}
        return data.make_stream(
            images,
            config=dataclasses.replace(data.resolve(self.inputs, images), views=views),
            batch_size=self.batch_size,
            train=train,
            device=self.runtime.device,
            split=split,
            extra=extra,
            stores=self.stores,
            **given,
        )

    def evaluation(self) -> dict[str, Stream]:
        """Return the streams that every model is evaluated on: ``val`` chooses, the others report."""
        views = self.inputs.views
        return {name: self.stream(name, train=False, views=views) for name in _EVALUATED if name in self.splits}
