"""What strategies try and how they are set: settings alone, without torch."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from modelheir.checks import AtLeast, InRange, OneOf

__all__ = ["DomainConfig", "JointConfig", "Tuning"]


@dataclasses.dataclass(frozen=True)
class DomainConfig:
    """Settings of strategies that see each step's images apart."""

    irm_weight: Annotated[float, AtLeast(0)] = 1.0  #: of IRM's penalty, when it has risen
    irm_rise: Annotated[float, InRange(0, 1)] = 0.3  #: share of the training over which it rises from 0
    dro: Annotated[str, OneOf("weights", "worst")] = "weights"  #: weights that grow for what does worst; or that alone
    dro_rate: Annotated[float, AtLeast(0)] = 0.01  #: step size of group DRO's weights; 0 leaves them equal
    coral_weight: Annotated[float, AtLeast(0)] = 1.0  #: of CORAL's distance between covariances

    def unread(self) -> dict[str, str]:
        """Return what the hard maximum leaves aside."""
        return {"dro_rate": "dro = 'worst'"} if self.dro == "worst" else {}


@dataclasses.dataclass(frozen=True)
class JointConfig:
    """Settings of strategies with copies of layers over time."""

    layers: str = "all"  #: that are new at each step, with commas between, and steps from the second on with colons
    adjacent: Annotated[str, OneOf("l2", "l1", "none")] = "l2"  #: distance between consecutive copies
    adjacent_weights: Annotated[tuple[float, ...], AtLeast(0)] = (0.01, 0.1, 1.0)  #: of it; the best is taken
    newest_weight: Annotated[float, AtLeast(0)] = 3.0  #: of the newest step's loss, where the others have 1
    side_layer_sizes: str = ""  #: channels between a side module's convolutions; block: built like the block beside it
    adapter_rank: Annotated[int, AtLeast(1)] = 4  #: of low-rank changes, at each position of a kernel
    adapter_mode: Annotated[str, OneOf("add", "multiply")] = "add"  #: how they change the weight
    all_layers_efficient: bool = False  #: stem and head get side modules or changes too, instead of copies


@dataclasses.dataclass(frozen=True)
class Tuning:
    """What is tried, each on the selection images, and how images of several steps are learnt from."""

    rates: tuple[float, ...] = (1.0,)  #: multipliers of the learning rate, from trained weights
    pulls: tuple[float, ...] = (1.0,)  #: strengths of a pull to earlier models
    replay: float = 1.0  #: images of earlier steps for each of a step's own, where they are replayed
    layers: str = "all"  #: a recipe of layers that move, or how they are chosen
    further: int = 0  #: epochs for which a best setting trains on
    start_anew: bool = False  #: whether training with a pull begins from drawn weights
    domains: DomainConfig = dataclasses.field(default_factory=DomainConfig)
    joint: JointConfig = dataclasses.field(default_factory=JointConfig)
