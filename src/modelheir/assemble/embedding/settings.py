"""Settings of ``modelheir embed``."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from modelheir.address import parse_encoder
from modelheir.checks import AtLeast, InputError, OneOf
from modelheir.config.inputs import InputConfig
from modelheir.config.run import check_device
from modelheir.embeddings.facts import DTYPES
from modelheir.shard import parse_shard

__all__ = ["EmbedConfig"]


@dataclasses.dataclass(frozen=True)
class EmbedConfig:
    """Settings of ``embed``."""

    encoder: tuple[str, ...] = (
        ()  #: what sees the images: encoder:NAME (--list has them), timm:, tv:, pkg: or hf:NAME, run:DIR, file:PATH,
        #: open_clip:NAME/WEIGHTS, pixels:PART, colour
    )
    data: str = "digits"  #: whose images, of every split: folder:DIR, parquet:PATH, manifest:FILE, as in train
    out: str = ""  #: folder for the views, one folder in it an encoder
    shard: str = ""  #: i/n: compute only part i of n, on this machine, into the same OUT
    shard_images: Annotated[int, AtLeast(1)] = 4096  #: images a file; what is lost at most when a process is killed
    dtype: Annotated[str, OneOf(*DTYPES)] = "float16"  #: of what is stored
    device: str = "auto"  #: auto, cpu, cuda, cuda:N or mps
    batch_size: Annotated[int, AtLeast(1)] = 256  #: images a forward pass; it divides shard_images
    precision: Annotated[str, OneOf("auto", "fp32", "bf16", "fp16")] = "auto"  #: auto is fp16 on cuda, else fp32
    quiet: bool = False  #: show no progress
    inputs: InputConfig = dataclasses.field(default_factory=InputConfig)  #: how images are read; none is augmented

    def __post_init__(self) -> None:
        check_device(self.device)
        parse_shard(self.shard)

    def accept(self) -> None:
        """Require what has no default, and settings that fit each other.

        Raises:
            InputError: Names the first that is missing or does not fit.
        """
        for name, example in (("encoder", "encoder:dinov2"), ("out", "views")):
            if not getattr(self, name):
                raise InputError(f"--{name} is missing: for example --{name} {example}.")
        for address in self.encoder:
            parse_encoder(address)
            if self.encoder.count(address) > 1:
                raise InputError(f"--encoder {address} is given twice: one view of it is all there is.")
        if self.shard_images % self.batch_size:
            raise InputError(
                f"batch_size = {self.batch_size}: must divide shard_images = {self.shard_images}, so that a shard is "
                "the same whoever computes it."
            )
        if self.inputs.views != "centre":
            raise InputError(
                f"inputs.views = {self.inputs.views!r}: an embedding is of the centre alone; leave it out."
            )
        if self.inputs.loader == "resident":
            raise InputError("inputs.loader = 'resident': each image is shown once, so none stays; leave it out.")
