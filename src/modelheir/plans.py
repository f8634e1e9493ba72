"""What a method hands to the engine: a plan of stages, each of which prepares one training problem.

Importing this file does not import torch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from modelheir.types import StageResult

if TYPE_CHECKING:
    from torch import Tensor, nn

    from modelheir.config.fit import FitConfig
    from modelheir.types import Batch, LossTerms, Outputs, Predictions, Step, Stream

__all__ = ["Grid", "Plan", "Stage", "Stateful", "Task"]


class Stateful(Protocol):
    """Something besides modules and optimisers that a resumed run must find again (a logit bank, a queue)."""

    def state_dict(self) -> Mapping[str, Tensor]:
        """Return tensors that describe the state."""
        ...

    def load_state_dict(self, state: Mapping[str, Tensor]) -> Any:
        """Take the state back."""
        ...


@dataclasses.dataclass
class Task:
    """One training problem, ready for the engine.

    ``objective`` returns terms and the engine does backward, clipping and the step. ``update`` does all of it by
    itself (a look-ahead, a line search) and returns the terms for the log. Give exactly one of the two; without streams
    give neither, and the modules are kept and evaluated as they are (a blend of weights).
    """

    modules: Mapping[str, nn.Module]  #: trained and saved
    streams: Mapping[str, Stream]  #: the first defines the epoch, the others repeat; none: nothing is trained
    objective: Callable[[Mapping[str, Batch], Step], LossTerms] | None = None
    update: Callable[[Mapping[str, Batch], Step], LossTerms] | None = None
    references: Mapping[str, nn.Module] = dataclasses.field(default_factory=dict)  #: frozen; moved, never saved
    evaluate: Mapping[str, Stream] = dataclasses.field(default_factory=dict)  #: split -> stream, each epoch on "val"
    predict: Callable[[Batch], Outputs] | None = None  #: what is evaluated; ``None``: the module ``publish``
    publish: str = "model"  #: the module that is the run's model, if the stage is its last; "": none, as what is
    #: predicted is several modules' (co-training), and the run publishes predictions and the weights of all
    select: Callable[[Predictions], float] | None = None  #: of "val", higher is better; ``None``: accuracy
    measure: Callable[[], Mapping[str, float]] | None = None  #: of the kept weights, in the modules by then; kept with
    #: the stage's result as ``measured``, of a grid with each member's
    optimizers: Mapping[str, Sequence[str]] | None = None  #: name -> module names; ``None``: one over all modules
    optimizer_fits: Mapping[str, FitConfig] = dataclasses.field(default_factory=dict)  #: kind, rate, decay, schedule
    #: of an optimiser of its own; one that is absent, and everything else, is the stage's
    parameter_groups: Callable[[nn.Module], Sequence[tuple[Sequence[Tensor], float, float | None]]] | None = None
    #: module -> (tensors, multiplier of the rate, weight decay); decay ``None``: the optimiser's
    fit: FitConfig | None = None  #: this stage's own settings; ``None``: the run's
    fallback: str = ""  #: where a loss or a weight stops being finite, the stage ends with its best weights so far
    #: (``fit.keep``), else those it began with, and says this advice; "": the run stops
    state: Mapping[str, Stateful] = dataclasses.field(default_factory=dict)
    describe: Mapping[str, Any] = dataclasses.field(default_factory=dict)  #: JSON kept with the stage's result;
    #: "model" is the spec of the module ``publish``, "modules" those of all where there is none; "rows" go into the
    #: run's ``result.json``, if the stage is its last


@dataclasses.dataclass(frozen=True)
class Grid:
    """One small network under several settings, trained together; the best on "val" becomes the stage's model.

    Members are compared by the weights that they keep (``fit.keep``). Of equal values the one with the lower loss on
    "val" is taken, then the first in the order of ``settings``. What each came to is kept in the stage's result.
    """

    settings: Sequence[Mapping[str, Any]]  #: one a member: JSON values by name, the same names in each, no two alike
    make_task: Callable[[Mapping[str, Any]], Task]  #: setting -> its problem: the rate (``Task.fit``), decay
    #: (``parameter_groups``), dropout and order of samples are its to make. Called more than once for a setting, it
    #: must give the same each time; images decoded once are its to share (``stores``)
    share: bool = False  #: the objective is one function of modules and batches whatever the setting, so that the
    #: first task's stands for all and members may train stacked; streams that are one object are read once for all
    runner: str = "auto"  #: ``sequential``, ``processes``, ``stacked``; ``auto``: the fastest over ten steps,
    #: and ``sequential`` where there are few in all


@dataclasses.dataclass(frozen=True)
class Stage:
    """A named step of a plan. ``prepare`` reads only results of earlier stages."""

    name: str
    prepare: Callable[[Mapping[str, StageResult]], Task | Grid | None]  #: ``None``: nothing to do, it is skipped


#: the stages of a method; where their number is open, a generator function of the results so far that yields them
Plan = Sequence[Stage] | Callable[[Mapping[str, StageResult]], Iterable[Stage]]
