"""The settings of one training run: sources, seeds, folder, and the groups ``inputs``, ``network`` and ``fit``."""

from __future__ import annotations

import dataclasses
import re
from typing import Annotated

from modelheir.checks import AtLeast, InputError, OneOf
from modelheir.classes import BY_NAME, RULES
from modelheir.config.fit import FitConfig
from modelheir.config.inputs import InputConfig
from modelheir.config.mapping import from_mapping, read_yaml, to_mapping
from modelheir.config.network import NetworkConfig
from modelheir.config.trainable import parse_trainable

__all__ = ["DEVICES", "TrainConfig", "check_device", "from_mapping", "read_yaml", "to_mapping"]

DEVICES = "auto, cpu, cuda, cuda:N or mps"  #: what a device may be called


def check_device(device: str) -> None:
    """Raise :class:`InputError` unless ``device`` is one of :data:`DEVICES`. Whether it is there is seen later."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", device):
        raise InputError(f"device = {device!r}: must be {DEVICES}.")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a run's numbers, but for the method's own settings."""

    data: str = "digits"  #: digits, cifar10, folder:DIR, parquet:PATH, list:FILE, manifest:FILE, hf:NAME, synthetic
    old: tuple[str, ...] = ()  #: models in production: run:DIR, file:PATH, tv:, timm: or pkg:NAME, or predictions files
    old_weights: Annotated[tuple[float, ...], AtLeast(0)] = ()  #: one an old model; () is all equal
    classes: Annotated[str, OneOf(*RULES)] = BY_NAME  #: how classes of old models and data are matched
    model: str = ""  #: the network to train; empty takes one that suits the image size
    trainable: str = (
        "all"  #: what of it moves, in every stage that trains it: all; or head, linear, stage:N, names and patterns of
        #: parameters, with commas between; the rest stays, or moves through low_rank:R or plane:D
    )
    out: str = ""  #: run folder; empty is runs/METHOD
    seed: Annotated[int, AtLeast(0)] = 0  #: of everything that is drawn
    init_seed: Annotated[int | None, AtLeast(0)] = None  #: of the initial weights; absent takes seed
    data_seed: Annotated[int | None, AtLeast(0)] = None  #: of the order and augmentation of the data; absent takes seed
    device: str = "auto"  #: auto, cpu, cuda, cuda:N or mps
    allow_weak_teacher: bool = False  #: go on although an old model is no better than chance on this data
    trackers: Annotated[tuple[str, ...], OneOf("tensorboard", "wandb", "mlflow")] = ()  #: besides JSON lines and CSV
    quiet: bool = False  #: show no progress
    inputs: InputConfig = dataclasses.field(default_factory=InputConfig)  #: how images are read
    network: NetworkConfig = dataclasses.field(default_factory=NetworkConfig)  #: how the network is built
    fit: FitConfig = dataclasses.field(default_factory=FitConfig)  #: how it is trained

    def __post_init__(self) -> None:
        check_device(self.device)
        fit = self.fit
        if fit.lr_multipliers and fit.layer_decay != 1:
            raise InputError(
                f"fit.layer_decay = {fit.layer_decay:g} and fit.lr_multipliers both say how fast each stage learns: "
                "leave one of them out."
            )
        if fit.lr_multipliers and fit.head_multiplier not in (0, 1):
            raise InputError(
                f"fit.head_multiplier = {fit.head_multiplier:g} and fit.lr_multipliers both say how fast the "
                "classifier learns: leave one of them out."
            )
        shared = {
            "lr_multipliers": fit.lr_multipliers,
            "head_multiplier": fit.head_multiplier not in (0, 1),
            "layer_decay": fit.layer_decay != 1,
            "no_decay": fit.no_decay,
        }
        if parse_trainable(self.trainable).through == "plane" and any(shared.values()):
            name = next(name for name, given in shared.items() if given)
            raise InputError(
                f"fit.{name} has no effect with trainable = {self.trainable!r}: stages share the coordinates."
            )
        for name in ("seed", "init_seed", "data_seed"):
            if (getattr(self, name) or 0) >= 2**63:
                raise InputError(f"{name} = {getattr(self, name)}: must be below 2 to the power of 63.")
