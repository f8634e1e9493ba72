"""How one stage is trained: length, batch, optimiser, schedule, precision."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from modelheir.checks import Above, AtLeast, InRange, OneOf

__all__ = ["FitConfig", "SnapshotConfig"]


@dataclasses.dataclass(frozen=True)
class SnapshotConfig:
    """Copies of the weights along a training, for averages and subspaces; the start is one of them."""

    every_steps: Annotated[int, AtLeast(0)] = 0  #: steps between snapshots; 0 is off
    every_epochs: Annotated[int, AtLeast(0)] = 0  #: epochs between snapshots; 0 is off
    start_epoch: Annotated[int, AtLeast(0)] = 0  #: epochs before the first one
    keep: Annotated[int, AtLeast(0)] = 0  #: the latest so many are kept; 0 keeps all
    dtype: Annotated[str, OneOf("fp32", "bf16")] = "fp32"  #: of the file; fp32 keeps every bit
    weights: Annotated[str, OneOf("raw", "averaged")] = "raw"  #: averaged needs ema_decay


@dataclasses.dataclass(frozen=True)
class FitConfig:
    """Settings of the training loop, the same for every method."""

    epochs: Annotated[int, AtLeast(1)] = 30  #: passes over the first stream
    batch_size: Annotated[int, AtLeast(1)] = 128  #: images an optimiser step, over all processes and accumulation
    accumulate: Annotated[int, AtLeast(1)] = (
        1  #: micro-batches an optimiser step; must divide the batch; batch-wide terms (normalised weights,
        #: neighbours, means over labelled images) are taken over each micro-batch
    )
    optimizer: Annotated[str, OneOf("sgd", "adamw", "adam", "rmsprop")] = "sgd"  #: how weights move
    lr: Annotated[float, Above(0)] = 0.1  #: learning rate at its highest
    lr_reference_batch: Annotated[int, AtLeast(0)] = 0  #: lr is for this batch size, and scales with it; 0: as given
    momentum: Annotated[float, InRange(0, 1)] = 0.9  #: of sgd and rmsprop
    nesterov: bool = False  #: of sgd
    weight_decay: Annotated[float, AtLeast(0)] = 5e-4  #: of sgd and adam coupled, of adamw decoupled
    decay_norm_and_bias: bool = True  #: false leaves one-dimensional parameters out of weight decay
    schedule: Annotated[str, OneOf("cosine", "step", "linear", "constant", "plateau")] = (
        "cosine"  #: how the learning rate falls
    )
    warmup_epochs: Annotated[float, AtLeast(0)] = 0.0  #: linear from warmup_lr to lr
    warmup_lr: Annotated[float, AtLeast(0)] = 0.0  #: where warm-up begins
    min_lr: Annotated[float, AtLeast(0)] = 0.0  #: where cosine and linear end, not scaled
    step_epochs: Annotated[float, Above(0)] = 30.0  #: epochs between drops of the step schedule; patience of plateau
    step_factor: Annotated[float, InRange(0, 1)] = 0.1  #: multiplier at each drop (step and plateau)
    lr_multipliers: Annotated[
        tuple[float, ...], AtLeast(0)
    ] = ()  #: one a stage of the network, stem first; () is all 1
    clip_norm: Annotated[float, AtLeast(0)] = 0.0  #: largest gradient norm over all parameters; 0 is off
    ema_decay: Annotated[float, InRange(0, 1)] = 0.0  #: decay a step of the averaged weights; 0 is off
    precision: Annotated[str, OneOf("fp32", "bf16", "fp16")] = "fp32"  #: of forward passes; weights stay in fp32
    threads: Annotated[int, AtLeast(0)] = (
        0  #: CPU threads of a step; 0 takes the faster of 1 and all, measured in the first steps, and leaves
        #: OMP_NUM_THREADS alone
    )
    keep: Annotated[str, OneOf("best", "last")] = "last"  #: weights kept: best on the selection split, or last
    keep_start: bool = False  #: keep=best: the weights before the first step may be the best, too
    stop_when_worse: bool = False  #: end a stage at the first evaluation on the selection split below the one before
    patience: Annotated[int, AtLeast(0)] = (
        0  #: epochs without a better result on the selection split that end a stage early; 0: never
    )
    evaluate_every: Annotated[int, AtLeast(1)] = 1  #: epochs between evaluations on the selection split
    save_every_seconds: Annotated[float, AtLeast(0)] = (
        30.0  #: seconds between resume points, more where saving would take over 1/50 of the time; 0 is off; several
        #: processes save at the end of an epoch
    )
    save_every_epochs: Annotated[int, AtLeast(0)] = 0  #: epochs between further resume points; 0 is off
    save_every_steps: Annotated[int, AtLeast(0)] = 0  #: steps between further resume points; 0 is off
    checkpoint_every_epochs: Annotated[int, AtLeast(0)] = 0  #: epochs between kept checkpoints with predictions
    snapshots: SnapshotConfig = dataclasses.field(default_factory=SnapshotConfig)
    save_features: bool = False  #: keep penultimate features beside the logits in the predictions
