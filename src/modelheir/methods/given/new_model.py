"""The network that a plan is handed to train: built anew, or from another model's weights."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from modelheir import models
from modelheir.checks import InputError
from modelheir.config.mapping import default_of
from modelheir.models import blends

if TYPE_CHECKING:
    from modelheir.config.network import NetworkConfig

__all__ = ["NewModel"]


@dataclasses.dataclass(frozen=True)
class NewModel:
    """What to train, for which classes and pictures."""

    name: str  #: such as ``tv:resnet18``
    asked: str  #: as the user named it; "" where the default was taken
    network: NetworkConfig
    classes: tuple[str, ...]
    image_size: int  #: pixels a side
    seed: int  #: of the initial weights
    trainable: str = "all"  #: what of it trains, see :mod:`modelheir.config.trainable`

    def build(self) -> models.Classifier:
        """Build the network with the initial weights of ``seed``."""
        return models.build(
            self.name, classes=self.classes, image_size=self.image_size, config=self.network, seed=self.seed
        )

    def begin_from(self, start: models.Classifier) -> models.Classifier:
        """Return a trainable copy of ``start`` for these classes; rows of classes that it does not know begin anew.

        Raises:
            InputError: If another network, or a setting of it that ``start`` was not built with, is asked for.
        """
        self.accept_start(start)
        self._accept_network(start)
        if start.classes == self.classes:
            return models.thawed_copy(start)
        return blends.copy_weights(start, self.like(start))

    def like(self, model: models.Classifier) -> models.Classifier:
        """Build ``model``'s network for these classes, with the initial weights of ``seed``."""
        return models.from_spec({**model.spec, "classes": list(self.classes), "seed": self.seed})

    def accept_start(self, start: models.Classifier) -> None:
        """Refuse a ``--model`` that is not the network of ``start``, where training begins from its weights, or no one.

        Raises:
            InputError: Names both.
        """
        blends.need_one_network(start, "the model to begin from", "training")
        if self.asked and start.spec.get("name") != self.asked:
            raise InputError(
                f"--model {self.asked} is asked for, but training begins from the weights of a "
                f"{start.spec.get('name')}: leave --model out, or give the same network."
            )

    def _accept_network(self, start: models.Classifier) -> None:
        """Refuse a setting of the network that does not reach a model that is there already."""
        built = start.spec.get("network", {})
        for field in dataclasses.fields(self.network):
            value, usual = getattr(self.network, field.name), default_of(field)
            plain = list(value) if isinstance(value, tuple) else value
            own = built.get(field.name, usual)
            if value != usual and plain != own:
                raise InputError(
                    f"network.{field.name} = {value!r} does not reach training that begins from the weights of a "
                    f"network built with {own!r}: leave it out."
                )
