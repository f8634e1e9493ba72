"""How frozen teachers are run: what several say together, their batch norms, their precision."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from modelheir.checks import AtLeast, OneOf

__all__ = ["TeacherConfig"]


@dataclasses.dataclass(frozen=True)
class TeacherConfig:
    """Settings of the teachers of a method. Their dropout is always off and their statistics never move."""

    weights: Annotated[tuple[float, ...], AtLeast(0)] = ()  #: one a teacher; () is all equal
    average: Annotated[str, OneOf("logits", "probabilities")] = "logits"  #: what of several teachers is averaged
    batch_norm: Annotated[str, OneOf("eval", "batch")] = "eval"  #: stored statistics, or those of each batch
    precision: Annotated[str, OneOf("auto", "fp32", "bf16", "fp16")] = "auto"  #: of their passes; auto is fit.precision
