"""Which losses between two models, with the settings of each: one distance of an update, or several of distillation."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

from modelheir.checks import AtLeast, InRange, OneOf
from modelheir.objective.distances.feature_settings import FeatureSettings
from modelheir.objective.distances.logit_settings import LogitSettings
from modelheir.objective.distances.table import CALLED, DISTANCES, LOSSES
from modelheir.objective.distances.update_settings import KLDistillation, UpdateSettings

__all__ = ["DistanceConfig", "LossesConfig", "label_setting"]


@dataclasses.dataclass(frozen=True)
class _Distance:
    loss: Annotated[str, OneOf(*DISTANCES, called=CALLED)] = "kl_distillation"  #: distance to the old model
    mix_with: Annotated[str, OneOf("none", *DISTANCES, called=CALLED)] = "none"  #: a second distance, mixed in
    mix_share: Annotated[float, InRange(0, 1)] = 0.5  #: share of ``loss`` in the mix; the rest is ``mix_with``


@dataclasses.dataclass(frozen=True)
class DistanceConfig(UpdateSettings, _Distance):
    """Which distance, and the settings of each; only the chosen one's are read."""

    def unread(self) -> dict[str, str]:
        """Return what is not read with these choices, and why: see :mod:`modelheir.config.unread`."""
        why = f"loss = {self.loss!r}" + (f" and mix_with = {self.mix_with!r}" if self.mix_with != "none" else "")
        others = {name: why for name, row in DISTANCES.items() if row.settings and name not in self.chosen}
        return others if self.mix_with != "none" else {**others, "mix_share": "mix_with = 'none'"}

    @property
    def chosen(self) -> tuple[str, ...]:
        """The distances that are computed."""
        return (self.loss,) if self.mix_with == "none" else (self.loss, self.mix_with)


@dataclasses.dataclass(frozen=True)
class _Losses:
    losses: Annotated[tuple[str, ...], OneOf(*LOSSES, called=CALLED)] = (
        "kl_distillation",
    )  #: between student and teacher
    loss_weights: Annotated[tuple[float, ...], AtLeast(0)] = ()  #: one a loss, in the same order; () is all 1
    taps: tuple[str, ...] = ()  #: what losses of maps compare: STUDENT=TEACHER paths, or one path for both, shallowest
    #: first; () takes the last map at each of the deepest resolutions, as many as both networks have


@dataclasses.dataclass(frozen=True)
class LossesConfig(FeatureSettings, LogitSettings, UpdateSettings, _Losses):
    """Which losses, with one weight each, and the settings of each; only those of the chosen ones are read."""

    kl_distillation: KLDistillation = dataclasses.field(default_factory=lambda: KLDistillation(temperature=4.0))

    def unread(self) -> dict[str, str]:
        """Return what is not read with these choices, and why: see :mod:`modelheir.config.unread`."""
        why = f"losses = {list(self.losses)!r}"
        found = {name: why for name, row in LOSSES.items() if row.settings and name not in self.losses}
        return found if self.reads("maps", "layers") else {**found, "taps": why}

    def reads(self, *kinds: str) -> bool:
        """Tell whether a chosen loss compares what one of ``kinds`` names."""
        return any(LOSSES[name].reads in kinds for name in self.losses)


def label_setting(config: Any) -> str:
    """Return the setting by which a distance needs one label an image, with its value; "" where it needs none.

    >>> label_setting(DistanceConfig(loss="imitation", mix_with="new_error"))
    "mix_with = 'new_error'"
    >>> label_setting(LossesConfig(losses=("imitation", "new_error")))
    "losses = 'new_error'"
    """
    if isinstance(config, DistanceConfig):
        pairs = list(zip(("loss", "mix_with"), config.chosen, strict=False))
    else:
        pairs = [("losses", name) for name in config.losses]
    for key, name in pairs:
        row = LOSSES[name]
        if row.labels == "needs":
            return f"{key} = {name!r}"
        if row.needs_where and (value := getattr(getattr(config, name), row.needs_where)):
            return f"{name}.{row.needs_where} = {value!r}"
    return ""
