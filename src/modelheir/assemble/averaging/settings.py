"""Settings of ``modelheir average``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from modelheir.address import parse_address
from modelheir.assemble.run_settings import run_settings
from modelheir.checks import AtLeast, InputError, OneOf, validate
from modelheir.classes import BY_NAME, RULES
from modelheir.config.inputs import InputConfig
from modelheir.config.mapping import flatten, from_mapping
from modelheir.config.run import check_device
from modelheir.config.unread import refuse_unread
from modelheir.models.blends.ways import parse_way

__all__ = ["AUTO", "AverageConfig", "own_settings", "read_average"]

AUTO = "auto"


@dataclasses.dataclass(frozen=True)
class AverageConfig:
    """Settings of ``average``."""

    models: tuple[str, ...] = ()  #: fine-tunes of one network: run:DIR, file:PATH, ...; the words of the command
    snapshots: str = ""  #: run:DIR or run:DIR#STAGE: average what one training kept (fit.snapshots), in its order
    out: str = ""  #: run folder to write
    by: tuple[str, ...] = (
        AUTO,
    )  #: ways to try: uniform, greedy, and in time swa[:SHARE], lawa:K, ema:D; auto is every one that fits
    recalibrate: bool = True  #: estimate the statistics of batch norm anew on training images, as the weights moved
    recalibrate_images: Annotated[int, AtLeast(0)] = 10_000  #: of them, drawn at random; 0 is all
    old: tuple[str, ...] = ()  #: the model in production, for NFR and PFR; absent is the best model alone, of
    #: snapshots the run's own model
    data: str = ""  #: where images come from; empty is the first run's own
    classes: Annotated[str, OneOf(*RULES)] = BY_NAME  #: how classes of models and data are matched
    device: str = "auto"  #: auto, cpu, cuda, cuda:N or mps
    batch_size: Annotated[int, AtLeast(1)] = 256  #: images a forward pass
    quiet: bool = False  #: show no progress
    inputs: InputConfig = dataclasses.field(default_factory=InputConfig)  #: how images are read; as the first run did

    def __post_init__(self) -> None:
        check_device(self.device)

    @property
    def addresses(self) -> tuple[str, ...]:
        """What is averaged: the models, or the run of the snapshots."""
        return (self.snapshots,) if self.snapshots else self.models

    def unread(self) -> dict[str, str]:
        """Return the settings that a choice leaves aside."""
        return {} if self.recalibrate else {"recalibrate_images": "recalibrate = False"}

    def need(self) -> None:
        """Require what has no default, and what fits together whatever the models hold.

        Raises:
            InputError: Names the first thing that is missing or does not fit.
        """
        validate(self)
        refuse_unread(self, type(self)())
        if self.snapshots and self.models:
            raise InputError("give models, or --snapshots run:DIR for those along one training: not both.")
        if self.snapshots:
            if parse_address(self.snapshots).kind != "run":
                raise InputError(f"--snapshots {self.snapshots}: only a run keeps snapshots: give run:DIR.")
        elif len(self.models) < 2:
            only = f"got one, {self.models[0]}" if self.models else "got none"
            place = self.models[0] if self.models else "run:DIR"
            raise InputError(
                f"an average needs at least two models, {only}: name the others, or give --snapshots {place} for "
                "those along one training."
            )
        for number, model in enumerate(self.models):
            if model in self.models[:number]:
                raise InputError(f"{model} is given twice: an average counts each model once.")
        if not self.out:
            raise InputError("--out is missing: for example --out runs/average.")
        if not self.by:
            raise InputError("by is empty: name a way, or leave it out.")
        for way in self.by:
            if way != AUTO:
                parse_way(way)
        if len(self.old) > 1:
            raise InputError(
                f"average counts flips against one --old, got {len(self.old)}: give the one in production."
            )


def own_settings(addresses: Sequence[str]) -> dict[str, Any]:
    """Return the settings ``data`` and ``inputs`` of the first of some models that is a run, nothing if none is."""
    for model in addresses:
        if found := run_settings(model):
            return {key: found[key] for key in ("data", "inputs") if key in found}
    return {}


def read_average(given: Mapping[str, Any]) -> AverageConfig:
    """Return the settings of an average; what is not given is as in the first run among the models.

    Args:
        given: Settings, groups as mappings or dotted.

    Raises:
        InputError: If a setting is unknown or not allowed.
    """
    first = from_mapping(AverageConfig, given)
    own = own_settings(first.addresses)
    return from_mapping(AverageConfig, {**flatten(AverageConfig, own), **flatten(AverageConfig, given)})
