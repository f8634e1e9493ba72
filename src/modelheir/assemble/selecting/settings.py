"""Settings of ``modelheir select``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

from modelheir.assemble.run_settings import run_settings
from modelheir.checks import AtLeast, InputError, OneOf
from modelheir.classes import BY_NAME, RULES
from modelheir.config.inputs import InputConfig
from modelheir.config.mapping import flatten, from_mapping
from modelheir.config.run import check_device
from modelheir.selection.settings import CopyConfig
from modelheir.shard import parse_shard

__all__ = ["SelectConfig", "read_selection"]


@dataclasses.dataclass(frozen=True)
class SelectConfig:
    """Settings of ``select``."""

    pool: str = (
        ""  #: unlabelled images: folder:DIR (any depth), list:FILE, parquet:PATH, manifest:FILE; labels are dropped
    )
    teacher: str = ""  #: the model that scores them: run:DIR, file:PATH, tv:NAME, timm:NAME or pkg:NAME
    data: str = (
        ""  #: the target: its classes, its labelled images, and val and test to keep out; empty is the teacher's
    )
    out: str = ""  #: folder for manifest.parquet, removed.parquet, report.html and scores
    top_k: Annotated[int, AtLeast(1)] = 100  #: images a class
    classes_per_image: Annotated[int, AtLeast(1)] = 1  #: best classes that an image may count for; it is kept once
    union: bool = True  #: put the labelled training images into the manifest too
    copy: bool = False  #: copy image files into OUT; else they are linked. Images inside Parquet are written out anyway
    shard: str = ""  #: i/n: score only shard i of n, on this machine; who finishes the last one selects
    classes: Annotated[str, OneOf(*RULES)] = BY_NAME  #: how the teacher's classes are matched with the data's
    pictures: Annotated[int, AtLeast(0)] = 60  #: most pairs of removed images that the page shows
    device: str = "auto"  #: auto, cpu, cuda, cuda:N or mps
    batch_size: Annotated[int, AtLeast(1)] = 256  #: images a forward pass
    precision: Annotated[str, OneOf("fp32", "bf16", "fp16")] = "fp32"
    quiet: bool = False  #: show no progress
    dedup: CopyConfig = dataclasses.field(default_factory=CopyConfig)  #: what counts as a copy
    inputs: InputConfig = dataclasses.field(
        default_factory=InputConfig
    )  #: how images are read; as the teacher's run did

    def __post_init__(self) -> None:
        check_device(self.device)
        parse_shard(self.shard)

    def need(self) -> None:
        """Require what has no default.

        Raises:
            InputError: Names the first that is missing, with an example.
        """
        for name, example in (("pool", "folder:pool"), ("teacher", "run:runs/v1"), ("out", "selected")):
            if not getattr(self, name):
                raise InputError(f"--{name} is missing: for example --{name} {example}.")


def read_selection(given: Mapping[str, Any]) -> SelectConfig:
    """Return the settings of a selection; what is not given is as in the run of the teacher, where it is one.

    Args:
        given: Settings, groups as mappings or dotted.

    Raises:
        InputError: If a setting is unknown or not allowed.
    """
    own = {key: value for key, value in run_settings(str(given["teacher"])).items() if key in ("data", "inputs")}
    return from_mapping(SelectConfig, {**flatten(SelectConfig, own), **flatten(SelectConfig, given)})
