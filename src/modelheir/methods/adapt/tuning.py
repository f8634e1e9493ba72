"""What strategies try and how they are set: settings alone, without torch."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from modelheir.checks import AtLeast, InRange, OneOf

__all__ = ["JOINT_READ_BY", "DomainConfig", "JointConfig", "Tuning"]


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

    layers: str = "all"  #: new at each step: commas between, and colons between steps from the second on; or search,
    #: which tries every set of layers, the same at each step
    adjacent: Annotated[str, OneOf("l2", "l1", "l2_fisher", "none")] = "l2"  #: distance between consecutive copies
    adjacent_weights: Annotated[tuple[float, ...], AtLeast(0)] = (0.01, 0.1, 1.0)  #: of it; the best is taken
    newest_weight: Annotated[float, AtLeast(0)] = 3.0  #: of the newest step's loss, where the others have 1
    loss_by_time: bool = False  #: the loss of step t counts 1 / (steps - t), t from 0
    penalty_by_time: bool = False  #: the distance of step t to the next counts 1 / (steps - t), the weight decay of
    #: what is new at it 1 / (t + 1)
    samples: Annotated[str, OneOf("all", "nearest", "optimal")] = "all"  #: images of older steps: all, or those matched
    #: to the newest ones of their class, step by step back: the nearest each, or the best assignment
    side_layer_sizes: str = ""  #: channels between a side module's convolutions; block: built like the block beside it
    adapter_rank: Annotated[int, AtLeast(1)] = 4  #: of low-rank changes, at each position of a kernel
    adapter_mode: Annotated[str, OneOf("add", "multiply")] = "add"  #: how they change the weight
    all_layers_efficient: bool = False  #: stem and head get side modules or changes too, instead of copies
    efficient_decays: Annotated[tuple[float, ...], AtLeast(0)] = ()  #: weight decay of side modules or changes; the
    #: best is taken, and () is that of the run
    ablate: bool = False  #: leave side modules or changes out, so that steps share their layers: a check

    def unread(self) -> dict[str, str]:
        """Return what the choices leave aside."""
        found = {"adjacent_weights": "adjacent = 'none'"} if self.adjacent == "none" else {}
        found |= {"newest_weight": "loss_by_time = True"} if self.loss_by_time else {}
        return found | ({"efficient_decays": "ablate = True"} if self.ablate else {})


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


_TOGETHER = ("joint_model", "joint_side_tune", "joint_low_rank_adapt")
_EFFICIENT = ("joint_side_tune", "joint_low_rank_adapt")

#: setting of :class:`JointConfig` -> names of strategies that read it, or their endings; the others all do
JOINT_READ_BY: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("adjacent", "adjacent_weights", "newest_weight", "loss_by_time"), _TOGETHER),
    **dict.fromkeys(("penalty_by_time", "samples"), _TOGETHER),
    **dict.fromkeys(("efficient_decays", "ablate"), _EFFICIENT),
    "side_layer_sizes": ("side_tune",),
    **dict.fromkeys(("adapter_rank", "adapter_mode"), ("low_rank_adapt",)),
    "all_layers_efficient": ("side_tune", "low_rank_adapt"),
}
