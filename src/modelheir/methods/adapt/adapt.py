"""Adapt: how to use a past whose data has shifted. Strategies are tried, each tuned on the newest selection images.

A strategy's stages are trained for every seed; what several need (a network trained on the past) is trained once a
seed. The strategy that is right most often on the newest selection images, in the mean over seeds, is the run's: its
model of the first seed is published. The newest reporting images choose nothing.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from modelheir.checks import Above, AtLeast, InputError, OneOf
from modelheir.methods.adapt.builder import Builder
from modelheir.methods.adapt.choice import choice
from modelheir.methods.adapt.further import further
from modelheir.methods.adapt.strategies import STRATEGIES
from modelheir.methods.adapt.tuning import JOINT_READ_BY, DomainConfig, JointConfig, Tuning
from modelheir.methods.adapt.ways import HISTORY
from modelheir.methods.declared import SourceUse
from modelheir.methods.given.steps import cut_steps, steps_of_sources
from modelheir.methods.method import Method
from modelheir.objective.pull import need_unmixed
from modelheir.objective.supervised import SupervisedConfig, accept_supervised

if TYPE_CHECKING:
    from modelheir.config.run import TrainConfig
    from modelheir.data import History, ImageSet
    from modelheir.methods.given import Given
    from modelheir.plans import Stage

__all__ = ["METHOD", "Config", "accept", "history_of", "plan"]

#: strategies whose fine-tuning moves the layers that ``layers`` says
_RECIPE = re.compile(
    r"(erm|irm|dro|l2|l1|ewc)_fine_tune|wise_ft|dawin|sequential_(?!side_tune|low_rank_adapt|.*using_joint).*"
)


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of ``adapt``."""

    history: tuple[str, ...] = ()  #: earlier data, the oldest first, each named as --data is, which is the newest
    time: str = "time"  #: without history: column of --data that says when an image was taken
    steps: Annotated[int, AtLeast(0)] = (
        0  #: without history: parts of the time; 0 is one a value, or five where there are more than twenty
    )
    strategies: Annotated[tuple[str, ...], OneOf(*STRATEGIES)] = (
        *("erm_final", "erm_all", "erm_fine_tune", "linear_probe_fine_tune", "sequential_fine_tune", "wise_ft"),
    )  #: that are tried
    seeds: Annotated[int, AtLeast(1)] = 3  #: trainings of each, from one seed more each
    rates: Annotated[tuple[float, ...], Above(0)] = (
        1.0,
        0.1,
    )  #: of the learning rate, where training begins from trained weights: the best on the selection images is taken
    pulls: Annotated[tuple[float, ...], Above(0)] = (
        1e-4,
        1e-2,
    )  #: strengths of a pull to earlier models (l2, l1, ewc): the best on the selection images is taken
    replay: Annotated[float, Above(0)] = 1.0  #: sequential_replay: images of earlier steps for each of a step's own
    layers: str = "all"  #: that fine-tuning moves: conv1,layer1 together; fc-all one stage after another; all:fc step
    #: by step of a sequence; linear_probe; gradual_unfreeze_...; or chosen by search, surgical_rgn, surgical_snr
    start_anew: bool = False  #: strategies with a pull begin from drawn weights, so that it alone tells of the past
    further: Annotated[int, AtLeast(0)] = 0  #: epochs for which the best setting of a strategy trains on; the better is
    #: taken, and blends of weights stay as they are
    domains: DomainConfig = dataclasses.field(default_factory=DomainConfig)
    joint: JointConfig = dataclasses.field(default_factory=JointConfig)
    supervised: SupervisedConfig = dataclasses.field(default_factory=SupervisedConfig)

    def unread(self) -> dict[str, str]:
        """Return what is not read with these choices, and why: see :mod:`modelheir.config.unread`."""
        past = f"history = {list(self.history)!r}"
        found: dict[str, str] = {"time": past, "steps": past} if self.history else {}
        why, text = f"strategies = {list(self.strategies)!r}", " ".join(self.strategies)
        pulled = any(word in text for word in ("l2", "l1", "ewc", "fisher"))
        tuned = any(_RECIPE.fullmatch(name) for name in self.strategies)
        found |= {} if pulled else {"pulls": why, "start_anew": why}
        found |= {} if tuned else {"layers": why}
        found |= {} if set(self.strategies) - {"wise_ft", "dawin", "sequential_average"} else {"further": why}
        found |= {} if "replay" in text else {"replay": why}
        copies = any(word in text for word in ("joint_", "side_tune", "low_rank_adapt"))
        found |= {} if copies else {"joint": why}
        return found if any(word in text for word in ("irm", "dro", "coral")) else {**found, "domains": why}


def accept(config: Config, run: TrainConfig) -> None:
    """Refuse lists that are empty or name something twice, and images that a strategy cannot mix."""
    for name, values in (("strategies", config.strategies), ("rates", config.rates), ("pulls", config.pulls)):
        if not values or len(set(values)) < len(values):
            raise InputError(f"method.{name} = {list(values)!r}: name at least one, each once.")
    accept_supervised(config.supervised, run.inputs)
    _accept_joint(config)
    for name in config.strategies:
        if name == "erm_all_weighted" or name.startswith(("irm_", "dro_", "coral_")):
            need_unmixed(run.inputs, f"method.strategies = {name!r}", instead=", or leave that strategy out")


def _accept_joint(config: Config) -> None:
    """Refuse settings of copies over time that none of the strategies reads, and a search where none is made."""
    for field in dataclasses.fields(JointConfig):
        value, endings = getattr(config.joint, field.name), JOINT_READ_BY.get(field.name, ("",))
        if value != field.default and not any(name.endswith(endings) for name in config.strategies):
            raise InputError(
                f"method.joint.{field.name} = {value!r} has no effect with method.strategies = "
                f"{list(config.strategies)}: leave it out."
            )
    if len(set(config.joint.efficient_decays)) < len(config.joint.efficient_decays):
        raise InputError(f"method.joint.efficient_decays = {list(config.joint.efficient_decays)}: name each once.")
    copied = [name for name in config.strategies if name.endswith(("side_tune", "low_rank_adapt"))]
    frozen = [name for name in copied if not name.startswith("joint_")]
    for name, value in (("layers", "search"), ("ablate", True)):
        if frozen and getattr(config.joint, name) == value:
            raise InputError(
                f"method.joint.{name} = {value!r} is for steps that train together, and {frozen[0]} has a frozen past: "
                "leave the one or the other out."
            )


def plan(config: Config, given: Given) -> list[Stage]:
    """The strategies' stages, seed by seed, and the choice among them.

    Raises:
        InputError: If there is one step, or a network has no layers that a strategy asks for.
    """
    sources = {name: one.splits for name, one in given.sources.items()}
    history = history_of(config, given.data.splits, sources, resident_gib=given.data.inputs.resident_gib)
    tuning = Tuning(**{field.name: getattr(config, field.name) for field in dataclasses.fields(Tuning)})
    builders, nodes = [], {name: [] for name in config.strategies}
    for number in range(config.seeds):
        build = Builder(
            given.member(number), history, tuning=tuning, supervised=config.supervised,
            suffix=f"_seed{number}" if config.seeds > 1 else "",
        )  # fmt: skip
        builders.append(build)
        for name in config.strategies:
            nodes[name].append(further(build, name, STRATEGIES[name].build(build)))
    stages = [stage for build in builders for stage in build.stages.values()]
    pasts = [f"{HISTORY}{build.suffix}" for build in builders]
    return [*stages, choice(builders, nodes, pasts)]


def history_of(
    config: Config,
    splits: Mapping[str, ImageSet],
    sources: Mapping[str, Mapping[str, ImageSet]],
    *,
    resident_gib: float,
) -> History:
    """Return the data by time, as the settings cut them.

    Args:
        config: Settings.
        splits: Of ``--data``.
        sources: Further data, by the names of ``METHOD.sources``.
        resident_gib: As ``inputs.resident_gib``.

    Raises:
        InputError: If there is one step, or no column that says when.
    """
    if not config.history:
        return cut_steps(splits, config.time, config.steps)
    earlier = [sources[f"history_{number}"] for number in range(len(config.history))]
    return steps_of_sources(earlier, splits, resident_gib=resident_gib)


def _sources(config: Config) -> dict[str, SourceUse]:
    return {f"history_{number}": SourceUse(one, flag="--history") for number, one in enumerate(config.history)}


METHOD = Method(
    name="adapt",
    summary="try ways to use older, shifted data for the newest, and say which to use",
    situation="a history of data that has shifted, and little of the newest",
    not_for="data of one time: take finetune; an old model whose answers must not change: take upgrade",
    config=Config,
    plan=plan,
    accept=accept,
    sources=_sources,
    flags={"history": "method.history"},
    paper="Ji et al., Seq-to-Final, 2024, arXiv:2407.09642",
)
