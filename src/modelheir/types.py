"""The values that travel between layers. No behaviour beyond what keeps a value consistent.

Shapes: ``N`` images, ``C`` classes, ``D`` features. Importing this file does not import torch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

__all__ = [
    "Batch",
    "Log",
    "LossTerms",
    "Outputs",
    "Predictions",
    "Progress",
    "Snapshot",
    "StageResult",
    "Step",
    "Stream",
]


class Outputs(NamedTuple):
    """What every classifier and every teacher returns."""

    logits: Tensor  #: ``(N, C)``
    features: Tensor  #: ``(N, D)``, the input of the classifier layer
    auxiliary: tuple[Tensor, ...] = ()  #: logits of auxiliary heads, each ``(N, C)``; empty in evaluation


@dataclasses.dataclass(frozen=True, eq=False)
class Batch:
    """Samples as the model sees them, on the training device."""

    inputs: Any  #: images: float ``(N, channels, H, W)`` in 0..1, not normalised; or vectors ``(N, D)``; or a tuple of
    #: either, one a view
    labels: Tensor  #: int64 ``(N,)``; -1 is unlabelled
    index: Tensor  #: int64 ``(N,)``: row of the sample in its stream's ``ids``
    targets: Tensor | None = None  #: ``(N, C)`` target probabilities where images were mixed
    extra: Mapping[str, Tensor] = dataclasses.field(default_factory=dict)  #: stored values, first dimension ``N``
    labelled: bool = False  #: no label is -1, here or on another process: nothing needs to be counted or masked
    crops: bool = False  #: the views are crops of one image, whose outputs are averaged
    view: int = 0  #: which of the views that come again these are; 0 where they do not, or there is one alone

    def __len__(self) -> int:
        return int(self.labels.shape[0])

    def part(self, rows: slice) -> Batch:
        """Return some of the samples."""
        inputs = self.inputs
        return dataclasses.replace(
            self,
            inputs=tuple(view[rows] for view in inputs) if isinstance(inputs, tuple) else inputs[rows],
            labels=self.labels[rows],
            index=self.index[rows],
            targets=None if self.targets is None else self.targets[rows],
            extra={name: value[rows] for name, value in self.extra.items()},
        )


@dataclasses.dataclass(frozen=True, eq=False)
class LossTerms:
    """Named, already weighted scalars that add up to the loss, and observed values that do not."""

    terms: Mapping[str, Tensor]
    observed: Mapping[str, Tensor] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in self.terms.items():
            if value.ndim:
                raise ValueError(f"loss term {name} must be a scalar, got shape {tuple(value.shape)}: reduce it first")

    @property
    def total(self) -> Tensor:
        """The sum of the terms, a scalar."""
        if not self.terms:
            raise ValueError("a loss needs at least one term")
        values = iter(self.terms.values())
        total = next(values)
        for value in values:
            total = total + value
        return total


@dataclasses.dataclass(frozen=True, eq=False)
class Predictions:
    """What one model said about one split; NumPy only, so that ``compare`` needs no torch."""

    sample_id: np.ndarray  #: ``(N,)`` str, unique
    label: np.ndarray  #: ``(N,)`` int64; -1 is unlabelled
    prediction: np.ndarray  #: ``(N,)`` int64
    logits: np.ndarray | None = None  #: ``(N, C)`` float32
    probabilities: np.ndarray | None = None  #: ``(N, C)``, where a file holds these and no logits
    classes: tuple[str, ...] | None = None
    columns: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)  #: further columns, for slices
    features: np.ndarray | None = None  #: ``(N, D)`` float32, saved on request
    skipped: tuple[str, ...] = ()  #: ids of images that could not be decoded and have no row; in no file

    def __len__(self) -> int:
        return len(self.sample_id)


class Stream(Protocol):
    """Batches of one split. An epoch is a pure function of (seed, epoch, rank), so resuming is arithmetic."""

    split: str  #: name of the split, such as ``train``; "" where it has none
    ids: np.ndarray  #: ``(N,)`` str, the sample ids; ``Batch.index`` points here
    labels: np.ndarray  #: ``(N,)`` int64
    classes: tuple[str, ...]
    columns: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        """Batches in one epoch on this process."""
        ...

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield this process's batches of epoch ``epoch`` from batch ``start`` on."""
        ...


class Step(Protocol):
    """What the engine hands to an objective or an update."""

    epoch: int  #: from 0
    epochs: int
    number: int  #: optimiser steps done so far in this stage
    steps: int  #: optimiser steps of the whole stage
    generator: torch.Generator  #: on the CPU, seeded for this step and rank; the only source of randomness to use
    device: torch.device
    device_generator: torch.Generator  #: on ``device``, seeded likewise; on the CPU it is ``generator`` itself
    optimizers: Mapping[str, torch.optim.Optimizer]

    def gather(self, values: Tensor) -> Tensor:
        """Concatenate over processes with gradient; returns ``values`` itself on one process."""
        ...

    def mean(self, value: Tensor) -> Tensor:
        """Average a tensor over processes, without gradient: what all must decide on alike (a loss on trial)."""
        ...

    def observe(self, name: str, value: Tensor) -> None:
        """Log a scalar of this step that is no part of the loss; its mean over the epoch is kept."""
        ...

    def backward(self, loss: Tensor) -> None:
        """Accumulate gradients of ``loss`` (scaled as the precision needs). For use in ``Task.update``."""
        ...

    def gradients(self, loss: Tensor, *modules: nn.Module, retain: bool = False) -> dict[Tensor, Tensor]:
        """Return the gradients of ``loss``, averaged over processes and unscaled, of the trainable parameters.

        ``loss`` is this process's; what an update makes of averaged gradients (a product of two) is that of the whole
        batch. Of ``modules`` (none: of all optimisers); a parameter that no process used is absent. ``retain`` keeps
        the graph for another call.
        """
        ...

    def apply(self, *names: str, gradients: Mapping[Tensor, Tensor] | None = None) -> None:
        """Average gradients over processes, clip, step the named optimisers (none: all) and zero their gradients.

        ``gradients`` are those of :meth:`gradients`, or made of such, in the place of what :meth:`backward` left; they
        are averaged already, and a parameter without one stays.
        """
        ...


class Log(Protocol):
    """Where rows of numbers go."""

    def write(self, row: Mapping[str, Any]) -> None:
        """Append one row."""
        ...

    def rewind(self, stage: str, epoch: int) -> None:
        """Drop this stage's rows from ``epoch`` on: they are about to be written again."""
        ...


class Progress(Protocol):
    """What a person watches."""

    def stage(self, name: str, steps: int, done: int = 0) -> None:
        """Begin a stage of ``steps`` steps, ``done`` of them behind us."""
        ...

    def advance(self, images: int) -> None:
        """Count one step over ``images`` images."""
        ...

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Take what an epoch logged, to be shown until the next one."""
        ...

    def note(self, text: str) -> None:
        """Say one line."""
        ...

    def close(self) -> None:
        """End the stage, if there is one, with what it came to."""
        ...


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """The weights of a stage at one moment of its training."""

    step: int  #: optimiser steps before it
    path: Path
    weights: Callable[[str], dict[str, Tensor]]  #: module name -> its state dict then, in the type of the file


@dataclasses.dataclass(frozen=True)
class StageResult:
    """A finished stage, read back from its folder."""

    name: str
    folder: Path
    metrics: Mapping[str, float]  #: of the kept weights, on the selection split
    weights: Callable[[str], dict[str, Tensor]]  #: module name -> the kept state dict
    describe: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    publish: str = "model"  #: the module that is the stage's model; "": none is

    snapshots: Callable[[], Sequence[Snapshot]] = list  #: those that ``fit.snapshots`` asked for, in order

    @property
    def skipped(self) -> bool:
        """Whether the stage had nothing to do; it has no weights then."""
        return bool(self.describe.get("skipped"))
