"""Settings of ``modelheir cache write``."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from modelheir.checks import AtLeast, InputError, OneOf
from modelheir.classes import BY_NAME, RULES
from modelheir.config.inputs import InputConfig
from modelheir.config.run import check_device
from modelheir.config.teacher import TeacherConfig
from modelheir.shard import parse_shard

__all__ = ["CacheConfig"]


@dataclasses.dataclass(frozen=True)
class CacheConfig:
    """Settings of ``cache write``."""

    teacher: tuple[str, ...] = ()  #: models whose mean is stored: run:DIR, file:PATH, tv:NAME, timm:NAME or pkg:NAME
    data: str = "digits"  #: whose training images they see, named as in train
    unlabelled: str = ""  #: further images, without labels, as in train distill
    out: str = ""  #: folder of the cache
    views: Annotated[int, AtLeast(0)] = (
        8  #: augmented views an image, for training that shows them in turn; 0 is evaluation's view of the centre alone
    )
    top_k: Annotated[int, AtLeast(0)] = 0  #: largest classes kept of each view, and the sum of the others; 0 is all
    dtype: Annotated[str, OneOf("float16", "float32")] = "float16"  #: of what is stored
    features: bool = False  #: keep features too, for losses that compare them
    shard: str = ""  #: i/n: write only shard i of n, on this machine; each needs memory for its share of one view
    classes: Annotated[str, OneOf(*RULES)] = BY_NAME  #: how classes of teachers and data are matched
    device: str = "auto"  #: auto, cpu, cuda, cuda:N or mps
    batch_size: Annotated[int, AtLeast(1)] = 256  #: images a forward pass, over all processes
    allow_weak_teacher: bool = False  #: go on although a teacher is no better than chance on this data
    quiet: bool = False  #: show no progress
    policy: TeacherConfig = dataclasses.field(default_factory=TeacherConfig)  #: how they are run; auto is fp32
    inputs: InputConfig = dataclasses.field(default_factory=InputConfig)  #: how images are read and augmented

    def __post_init__(self) -> None:
        check_device(self.device)
        parse_shard(self.shard)

    def accept(self) -> None:
        """Require what has no default, and settings that fit each other.

        Raises:
            InputError: Names the first that is missing or does not fit.
        """
        for name, example in (("teacher", "run:runs/large"), ("out", "teachers")):
            if not getattr(self, name):
                raise InputError(f"--{name} is missing: for example --{name} {example}.")
        if self.policy.batch_norm == "batch":
            raise InputError(
                "policy.batch_norm = 'batch': what a teacher says of an image would depend on the batch that it is in, "
                "and training makes others. Leave it out, or give the teachers to train itself."
            )
        for name in ("mixup", "cutmix"):
            if getattr(self.inputs, name):
                raise InputError(f"inputs.{name} mixes images, and a cache holds outputs of single ones: leave it out.")
        if self.views and self.inputs.augment == "none":
            raise InputError("inputs.augment = 'none' shows one view of an image: say --views 0.")
