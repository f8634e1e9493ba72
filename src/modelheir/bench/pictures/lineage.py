"""Which models a strategy came by, step after step: what its stages say of where each began."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from modelheir import models
from modelheir.bench.pictures.members import Member
from modelheir.checks import InputError
from modelheir.config.over_time.copies import OverTimeConfig
from modelheir.models import over_time

if TYPE_CHECKING:
    from modelheir.models import Classifier
    from modelheir.models.over_time import OverTime
    from modelheir.types import StageResult

__all__ = ["Known", "Line", "copies_of", "line_of", "model_of", "models_of", "need_models"]


@dataclasses.dataclass(frozen=True)
class Known:
    """A model on the way of a strategy."""

    stage: str  #: that trained it
    steps: tuple[int, ...]  #: that this stage was trained on; none: a blend of others
    load: Callable[[], Classifier]
    copies: bool = False  #: whether it is one step of a network over time


@dataclasses.dataclass(frozen=True)
class Line:
    """The ends of a strategy's last step."""

    start: Classifier  #: before it was trained on the newest step
    end: Classifier
    kind: str  #: of :data:`modelheir.report.figures.interpolation.STARTS`
    added: tuple[str, ...] = ()  #: paths of side modules that the end alone has
    copies: bool = False  #: whether both are steps of a network over time


def models_of(member: Member, strategy: str) -> list[Known]:
    """Return the models of a strategy, oldest first; of stages that were trained on one step the last.

    Raises:
        InputError: If stages do not say where they began, as those of earlier versions.
    """
    return _chain(member, member.ends[strategy])


def need_models(members: Sequence[Member], strategies: Sequence[str]) -> None:
    """Require the weights of all models of some strategies; none are read.

    Args:
        members: Whose.
        strategies: Which, where a run tried them; none: all.

    Raises:
        InputError: If a stage's weights are gone, or it does not say where it began.
    """
    for member in members:
        for strategy in strategies or member.ends:
            for known in models_of(member, strategy) if strategy in member.ends else ():
                weights = member.folder.stage_named(known.stage).weights
                if not weights.is_file():
                    raise InputError(
                        f"{weights} is gone, and pictures are made of the weights of every stage: restore it, or train "
                        "the run again into another --out."
                    )


def line_of(member: Member, strategy: str) -> Line | None:
    """Return the ends of a strategy's last step; ``None`` where nothing was trained after the past."""
    known = models_of(member, strategy)
    if len(known) < 2:
        return None
    before, last = known[-2:]
    if not last.copies:
        return Line(before.load(), last.load(), _kind(before.stage))
    result = member.stage(last.stage)
    model = copies_of(result)
    start, added = over_time.before_newest(model)
    kind = "joint" if len(result.describe["steps"]) > 1 else _kind(_root(member, last.stage))
    return Line(start, over_time.publish(model), kind, added, copies=True)


def model_of(result: StageResult) -> Classifier:
    """Return the model of a stage.

    Raises:
        InputError: If its weights are gone or damaged.
    """
    found = models.from_spec(result.describe["model"])
    found.load_state_dict(result.weights(result.publish))
    return found


def copies_of(result: StageResult) -> OverTime:
    """Return the network over time of a stage.

    Raises:
        InputError: If its weights are gone or damaged.
    """
    told = result.describe["over_time"]
    found = over_time.OverTime(models.from_spec(told["model"]), told["routes"], OverTimeConfig(**told["config"]))
    found.load_state_dict(result.weights("model_over_time"))
    return found


def _chain(member: Member, name: str) -> list[Known]:
    result = member.stage(name)
    told: Any = result.describe
    if "steps" not in told:
        raise InputError(
            f"stage {name!r} of {member.folder.path} does not say where it began, as it is of an earlier version: "
            "train the run again into another --out."
        )
    if "over_time" in told:
        return _steps(result)
    before = _chain(member, told["from"]) if "from" in told else []
    own = tuple(told["steps"])
    if not own and before:  # the newest step of a network over time, published
        return before
    while before and before[-1].steps == own:
        before = before[:-1]
    return [*before, Known(name, own, lambda: model_of(result))]


def _steps(result: StageResult) -> list[Known]:
    """Return the step's models of a network over time."""
    count, steps = len(result.describe["over_time"]["routes"]), tuple(result.describe["steps"])

    def load(step: int) -> Callable[[], Classifier]:
        return lambda: over_time.publish(copies_of(result), step)

    return [Known(result.name, steps, load(step), copies=True) for step in range(count)]


def _root(member: Member, name: str) -> str:
    """Return the first stage that a stage goes back to."""
    while (before := member.stage(name).describe.get("from")) is not None:
        name = before
    return name


def _kind(stage: str) -> str:
    """Say what a stage's model is as a start.

    >>> _kind("history_seed1"), _kind("history_dro"), _kind("step_3")
    ('history', 'robust', 'sequential')
    """
    if not stage.startswith("history"):
        return "sequential"
    return "robust" if stage.startswith(("history_irm", "history_dro")) else "history"
