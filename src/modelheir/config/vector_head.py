"""A classifier of stored vectors: which layers it has, how vectors are scaled before them, logits after."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from modelheir.checks import Above, AtLeast, InRange, OneOf

__all__ = ["VectorHeadConfig"]


@dataclasses.dataclass(frozen=True)
class VectorHeadConfig:
    """Settings of one head on vectors; the same for every view, whatever its width."""

    kind: Annotated[str, OneOf("linear", "mlp", "fcnn")] = "linear"  #: fcnn also passes earlier layers on
    hidden: Annotated[tuple[int, ...], AtLeast(1)] = (1024, 1024, 1024)  #: widths of the layers before the last one
    dropout: Annotated[float, InRange(0, 1)] = 0.0  #: of what each hidden layer gives
    batch_norm: bool = False  #: in each hidden layer of mlp; fcnn always has it
    documented: bool = False  #: fcnn as first published: last width not built, negative logits made 100 times smaller
    members: Annotated[int, AtLeast(1)] = 1  #: heads trained side by side whose logits are joined; 1 is one head
    temperature: Annotated[float, Above(0)] = 1.0  #: divides the logits; larger is less sure
    normalise: Annotated[str, OneOf("standard", "l2", "none")] = "standard"  #: of vectors: each number by the mean and
    #: deviation of the training vectors, each vector to length 1, or as they are

    def unread(self) -> dict[str, str]:
        """Return what is not read with this kind of head, and why: see :mod:`modelheir.config.unread`."""
        names = {"linear": ("hidden", "dropout", "batch_norm", "documented"), "mlp": ("documented",)}
        return dict.fromkeys(names.get(self.kind, ("batch_norm",)), f"kind = {self.kind!r}")
