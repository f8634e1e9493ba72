"""How a network is built around its body: classifier layer, dropout, further heads, normalisation."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

from modelheir.checks import Above, AtLeast, InRange, OneOf

__all__ = ["NetworkConfig"]


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """Settings of the network, the same for every method and every architecture."""

    pretrained: bool = False  #: start from the library's published weights (fetched once, or pkg:NAME)
    head: Annotated[str, OneOf("linear", "cosine")] = "linear"  #: cosine has no bias and compares directions only
    cosine_temperature: Annotated[float, Above(0)] = 0.01  #: divides the cosines; smaller is sharper
    dropout: Annotated[float, InRange(0, 1)] = 0.0  #: of the features before the classifier; 0 keeps the network's own
    embedding: Annotated[int, AtLeast(0)] = 0  #: width of a linear layer between features and classifier; 0 is none
    auxiliary: Annotated[str, OneOf("none", "avg", "max")] = "none"  #: evaluation: how further heads' logits join
    mimo_members: Annotated[int, AtLeast(1)] = 1  #: images a forward pass (multi-input multi-output); 1 is off
    mimo_repeat: Annotated[float, InRange(0, 1)] = 0.4  #: share of training rows whose members all see the same image
    resolution: Annotated[int, AtLeast(0)] = 0  #: pixels a side to which the network resizes by itself; 0 does not
    mean: tuple[float, ...] = ()  #: subtracted from each channel (0..1); () is the weights' own, else ImageNet's
    std: Annotated[tuple[float, ...], Above(0)] = ()  #: divides each channel; () as for mean
    kwargs: dict[str, Any] = dataclasses.field(default_factory=dict)  #: further arguments of the architecture itself
