"""Averages at work: made, recalibrated on training images, and asked about the selection images.

The reporting split is not looked at here.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from modelheir import inference
from modelheir.models import blends

if TYPE_CHECKING:
    from torch import Tensor

    from modelheir.assemble.averaging.members import Members
    from modelheir.methods.given import Data
    from modelheir.models import Classifier
    from modelheir.models.blends import Way
    from modelheir.types import Predictions, Stream

__all__ = ["Judge", "Tried"]


@dataclasses.dataclass(frozen=True, eq=False)
class Tried:
    """A model on the selection images."""

    name: str  #: a way, or a model alone
    kept: tuple[int, ...]  #: numbers of the models in it, in the order in which they are averaged
    weights: tuple[float, ...]  #: how much each of them counts, the first 1
    said: Predictions  #: of the selection images
    loss: float  #: mean cross-entropy there, nats
    as_averaged: float | None = None  #: accuracy with averaged statistics; ``None`` where these are what is said

    @property
    def accuracy(self) -> float:
        """Fraction of the labelled selection images that it is right on, higher is better."""
        return _accuracy(self.said)


def _accuracy(found: Predictions) -> float:
    """Return the share of right answers among images with a label, a fraction."""
    known = found.label >= 0
    return float((found.prediction == found.label)[known].mean())


@dataclasses.dataclass(frozen=True, eq=False)
class Judge:
    """Makes models of weights and asks them."""

    members: Members
    data: Data
    recalibrate: bool
    images: int  #: training images that statistics are estimated on; 0 is all

    @functools.cached_property
    def _training(self) -> Stream:
        """Training images in a mixed order, as training shows them.

        What a network has learnt by heart looks other to it than what it has not: statistics of the very views that
        evaluation would show are further from those of new images than statistics of varied ones.
        """
        train = self.data.splits["train"]
        order = np.random.default_rng(self.data.seed).permutation(len(train))[: self.images or len(train)]
        mixed = dataclasses.replace(self.data, splits={"train": train.subset(order)})
        return mixed.stream("train")

    @functools.cache  # noqa: B019 - a judge lives as long as the command
    def _stream(self, split: str) -> Stream:
        return self.data.stream(split, train=False, views=self.data.inputs.views)

    def ask(self, model: Any, split: str = "val") -> Predictions:
        """Run a model over a split, each image once."""
        return inference.predict_model(model, self._stream(split), self.data.runtime)

    def make(self, state: Mapping[str, Tensor], *, recalibrate: bool) -> tuple[Classifier, bool]:
        """Return a model with these weights on the device, and whether its statistics were estimated anew."""
        model = self.members.model(state).to(self.data.runtime.device)
        return model, recalibrate and self.recalibrate and blends.recalibrate(model, self._training.epoch(0)) > 0

    def alone(self, number: int) -> Tried:
        """Ask one of the models as it is."""
        said, loss = self._short(self.ask(self.make(self.members.read(number), recalibrate=False)[0]))
        return Tried(self.members.names[number], (number,), (1.0,), said, loss)

    def average(self, way: Way, alone: tuple[Tried, ...]) -> Tried:
        """Average by ``way`` and ask; ``alone`` are the models by themselves, in order."""
        if way.name == blends.GREEDY:
            found = blends.greedy_soup(self.members.read, [one.accuracy for one in alone], self._score)
            kept = tuple(sorted(found.kept))  # so that a soup of all is the uniform one, bit for bit
            weights = (1.0,) * len(kept)
        else:
            every = way.weights(len(self.members))
            kept = tuple(number for number, weight in enumerate(every) if weight)
            weights = tuple(every[number] / every[kept[0]] for number in kept)
        if len(kept) == 1:
            return dataclasses.replace(alone[kept[0]], name=str(way))
        state = self._state(kept, weights)
        model, anew = self.make(state, recalibrate=True)
        said, loss = self._short(self.ask(model))
        plain = _accuracy(self.ask(self.make(state, recalibrate=False)[0])) if anew else None
        return Tried(str(way), kept, weights, said, loss, plain)

    def final(self, tried: Tried) -> Classifier:
        """Make the model of what was tried again, as it was asked; not all that were tried are kept in memory."""
        return self.make(self._state(tried.kept, tried.weights), recalibrate=len(tried.kept) > 1)[0]

    def _state(self, kept: tuple[int, ...], weights: tuple[float, ...]) -> dict[str, Tensor]:
        return blends.average_states(map(self.members.read, kept), weights)

    def _score(self, state: Mapping[str, Tensor]) -> float:
        return _accuracy(self.ask(self.make(state, recalibrate=True)[0]))

    @staticmethod
    def _short(found: Predictions) -> tuple[Predictions, float]:
        """Return predictions without their logits, of which many would be kept, and their loss."""
        return dataclasses.replace(found, logits=None), inference.summarise(found)["loss"]
