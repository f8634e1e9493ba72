"""Settings of adversarial training: which loss, which attack, and how far an image may be changed."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from modelheir.checks import Above, AtLeast, InRange, OneOf

__all__ = ["AdversarialConfig"]

_WEIGHTS = {"trades": 6.0, "gat": 10.0}  #: of the published recipes


@dataclasses.dataclass(frozen=True)
class AdversarialConfig:
    """How a training defends itself against changed images."""

    loss: Annotated[str, OneOf("none", "adversarial", "trades", "gat", called={"at": "adversarial"})] = (
        "none"  #: none; adversarial: the loss against labels, on attacked images alone; trades: on images as they are,
        #: and how far predictions of attacked ones move; gat: likewise, with an attack guided by that
    )
    attack: Annotated[str, OneOf("fgsm", "pgd")] = (
        "fgsm"  #: one step along the sign of the gradient from a random start, or several
    )
    epsilon: Annotated[float, InRange(0, 1)] = 8 / 255  #: largest change of a pixel's channel, which is from 0 to 1
    steps: Annotated[int, AtLeast(1)] = 10  #: of pgd
    step_size: Annotated[float | None, Above(0)] = (
        None  #: of one step; absent is 1.25 epsilon for fgsm, epsilon for that of gat, and 2.5 epsilon / steps for pgd
    )
    weight: Annotated[float | None, AtLeast(0)] = (
        None  #: of how far predictions move, in trades and gat; absent is 6 and 10
    )
    grad_align: Annotated[float, AtLeast(0)] = (
        0.0  #: weight of how much the gradients at an image and beside it disagree, which keeps fgsm from failing; 0:
        #: off, else a step takes about three times as long
    )

    def unread(self) -> dict[str, str]:
        """Return what is not read with these choices, and why: see :mod:`modelheir.config.unread`."""
        if self.loss == "none":
            names = ("attack", "epsilon", "steps", "step_size", "weight", "grad_align")
            return dict.fromkeys(names, "loss = 'none'")
        aside = {} if self.loss in _WEIGHTS else {"weight": f"loss = {self.loss!r}"}
        return aside if self.attack == "pgd" else {**aside, "steps": "attack = 'fgsm'"}

    @property
    def taken(self) -> int:
        """Steps of the attack."""
        return self.steps if self.attack == "pgd" else 1

    @property
    def length(self) -> float:
        """Length of a step of the attack, in the unit of pixels.

        >>> AdversarialConfig(epsilon=0.04).length, AdversarialConfig(attack="pgd", epsilon=0.04).length
        (0.05, 0.01)
        """
        if self.step_size is not None:
            return self.step_size
        if self.attack == "pgd":
            return 2.5 * self.epsilon / self.steps
        return self.epsilon if self.loss == "gat" else 1.25 * self.epsilon

    @property
    def pull(self) -> float:
        """Weight of how far predictions move; 0 where the loss has no such term."""
        return _WEIGHTS.get(self.loss, 0.0) if self.weight is None else self.weight
