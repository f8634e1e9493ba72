"""How one stage is trained: length, batch, optimiser, schedule, precision; and what is chosen where nothing is said.

The default is AdamW with one cycle of the rate in batches that give small sets steps enough: measured against textbook
recipes in ``docs/evidence/defaults.md``.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated

from modelheir.checks import Above, AtLeast, InRange, OneOf

__all__ = ["FitConfig", "SnapshotConfig", "choose", "decay"]


@dataclasses.dataclass(frozen=True)
class SnapshotConfig:
    """Copies of the weights along a training, for averages and subspaces; its start and its end are among them."""

    every_epochs: Annotated[int, AtLeast(0)] = 0  #: epochs between snapshots; 0 is off
    per_epoch: Annotated[int, AtLeast(0)] = 0  #: snapshots in each epoch, evenly, the last at its end; 0 is off
    every_steps: Annotated[int, AtLeast(0)] = 0  #: steps between snapshots; 0 is off
    start_epoch: Annotated[int, AtLeast(0)] = 0  #: epochs before the first one
    keep: Annotated[int, AtLeast(0)] = 0  #: the latest so many are kept; 0 keeps all
    dtype: Annotated[str, OneOf("fp32", "bf16", "int8")] = (
        "fp32"  #: of the file; fp32 keeps every bit, int8 has 256 levels an output channel
    )
    parameters: Annotated[str, OneOf("all", "trainable")] = (
        "all"  #: what is in a file: all weights and buffers, or the weights that move alone
    )
    weights: Annotated[str, OneOf("raw", "averaged")] = "raw"  #: averaged needs ema_decay

    @property
    def on(self) -> bool:
        """Whether there are any."""
        return bool(self.every_steps or self.every_epochs or self.per_epoch)


@dataclasses.dataclass(frozen=True)
class FitConfig:
    """Settings of the training loop, the same for every method."""

    epochs: Annotated[int, AtLeast(1)] = 30  #: passes over the first stream
    batch_size: Annotated[int, AtLeast(0)] = (
        0  #: images an optimiser step, over all processes and accumulation; 0 is 32 for fewer than 25,600 training
        #: images, 64 for fewer than 102,400, else 128
    )
    accumulate: Annotated[int, AtLeast(1)] = (
        1  #: micro-batches an optimiser step; must divide the batch; batch-wide terms (normalised weights,
        #: neighbours, means over labelled images) are taken over each micro-batch
    )
    optimizer: Annotated[str, OneOf("sgd", "adamw", "adam", "rmsprop")] = "adamw"  #: how weights move
    lr: Annotated[float, AtLeast(0)] = (
        0.0  #: learning rate at its highest; 0 is 0.01 (sgd 0.1) for the small built-in networks and a tenth of it for
        #: others; where training begins from trained weights, a tenth again
    )
    head_multiplier: Annotated[float, AtLeast(0)] = (
        0.0  #: of the learning rate, for the classifier; 0 is 10 where it is drawn anew on trained weights and neither
        #: lr, lr_multipliers nor layer_decay is given, else 1
    )
    lr_reference_batch: Annotated[int, AtLeast(0)] = 0  #: lr is for this batch size, and scales with it; 0: as given
    momentum: Annotated[float, InRange(0, 1)] = 0.9  #: of sgd and rmsprop
    nesterov: bool = False  #: of sgd
    weight_decay: Annotated[float | None, AtLeast(0)] = (
        None  #: of sgd and adam coupled, of adamw decoupled; absent is 0.01 for adamw, else 5e-4
    )
    decay_norm_and_bias: bool = True  #: false leaves one-dimensional parameters out of weight decay
    no_decay: tuple[
        str, ...
    ] = ()  #: parameters without weight decay: head, linear, stage:N, names and patterns of the network's parameters
    schedule: Annotated[
        str,
        OneOf(
            "one_cycle", "cosine", "step", "multistep", "linear", "polynomial", "constant", "plateau", "fixmatch_cosine"
        ),
    ] = (
        "one_cycle"  #: how the learning rate falls; one_cycle is cosine after a rise over a quarter of the run,
        #: fixmatch_cosine the first 7/16 of a half wave, which ends at a fifth
    )
    warmup_epochs: Annotated[float, AtLeast(0)] = (
        0.0  #: linear from warmup_lr to lr; 0 is none, of one_cycle a quarter of the epochs
    )
    warmup_lr: Annotated[float, AtLeast(0)] = 0.0  #: where warm-up begins
    min_lr: Annotated[float, AtLeast(0)] = (
        0.0  #: where one_cycle, cosine, linear and polynomial end, not scaled; fixmatch_cosine stays above it
    )
    step_epochs: Annotated[float, Above(0)] = 30.0  #: epochs between drops of the step schedule; patience of plateau
    step_factor: Annotated[float, InRange(0, 1)] = 0.1  #: multiplier at each drop (step, multistep and plateau)
    milestones: Annotated[tuple[float, ...], Above(0)] = (30.0, 60.0, 90.0)  #: epochs of the drops of multistep
    power: Annotated[float, Above(0)] = 0.9  #: of the share of training that is left, of polynomial; 1 is linear
    lr_multipliers: Annotated[
        tuple[float, ...], AtLeast(0)
    ] = ()  #: one a stage of the network, stem first; one fewer leaves the head at 1; () is all 1
    layer_decay: Annotated[float, InRange(0, 1)] = (
        1.0  #: multiplier of the rate from each stage to the one before it, the head's is 1; 1 is off; instead of
        #: lr_multipliers
    )
    clip_norm: Annotated[float, AtLeast(0)] = 0.0  #: largest norm of the gradients; 0 is off
    clip_norm_of: Annotated[str, OneOf("all", "tensor")] = (
        "all"  #: what has the norm of clip_norm: the gradients of all parameters together, or each tensor its own
    )
    ema_decay: Annotated[float, InRange(0, 1)] = 0.0  #: decay a step of the averaged weights; 0 is off
    precision: Annotated[str, OneOf("fp32", "bf16", "fp16")] = "fp32"  #: of forward passes; weights stay in fp32
    tf32: bool | None = (
        None  #: CUDA: float32 products rounded to 10 bits, for speed; absent is torch's choice, in convolutions alone
    )
    cudnn_benchmark: bool = (
        False  #: CUDA: time the convolution algorithms and take the fastest, which may differ from run to run
    )
    compile: bool = False  #: forward passes in training through torch.compile; needs a compiler on the machine
    cuda_graphs: bool = (
        False  #: CUDA, with compile: forward and backward passes are captured once and replayed, which helps where
        #: kernels are short (a small network, a small batch); not for stages that do their own steps
    )
    reduce: Annotated[str, OneOf("explicit", "ddp")] = (
        "explicit"  #: how processes average gradients: in one message before a step, or by torch's
        #: DistributedDataParallel during the backward pass; stages that do their own steps are always explicit
    )
    sync_batch_norm: bool = False  #: batch norms take the batch of all processes, so that their number changes nothing
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
    stop_after_stalls: Annotated[int, AtLeast(0)] = (
        0  #: evaluations on the selection split in a row, none above the one before it, that end a stage; 0: never
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


def decay(fit: FitConfig) -> float:
    """Return the weight decay: as given, else 0.01 for AdamW and 5e-4 for the others, whose decay is coupled.

    Example:
        >>> decay(FitConfig()), decay(FitConfig(optimizer="sgd")), decay(FitConfig(weight_decay=0.0))
        (0.01, 0.0005, 0.0)
    """
    if fit.weight_decay is not None:
        return fit.weight_decay
    return 0.01 if fit.optimizer == "adamw" else 5e-4


def choose(fit: FitConfig, *, images: int, small: bool, trained: bool, new_head: bool = False) -> FitConfig:
    """Return the settings with batch size, learning rates and weight decay chosen where they were left open.

    Args:
        fit: The settings as given; what is given stays.
        images: Training images, ``>= 0``.
        small: Whether the network is one of the small built-in ones.
        trained: Whether training begins from trained weights, which a high rate would undo.
        new_head: Whether the classifier on these is drawn anew; it then learns at the rate of new weights.

    Example:
        >>> found = choose(FitConfig(), images=12_000, small=True, trained=False)
        >>> found.batch_size, found.lr, found.weight_decay
        (32, 0.01, 0.01)
        >>> choose(FitConfig(optimizer="sgd"), images=50_000, small=True, trained=True).lr
        0.01
        >>> found = choose(FitConfig(), images=100, small=True, trained=True, new_head=True)
        >>> found.lr, found.head_multiplier
        (0.001, 10.0)
    """
    batch = fit.batch_size or (32 if images < 25_600 else 64 if images < 102_400 else 128)
    tenths = (0 if small else 1) + (1 if trained else 0)
    rate = fit.lr or float(f"{0.1 if fit.optimizer == 'sgd' else 0.01}e-{tenths}")
    said = fit.lr or fit.lr_multipliers or fit.layer_decay != 1
    head = fit.head_multiplier or (10.0 if trained and new_head and not said else 1.0)
    return dataclasses.replace(fit, batch_size=batch, lr=rate, head_multiplier=head, weight_decay=decay(fit))
