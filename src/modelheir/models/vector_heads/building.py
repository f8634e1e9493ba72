"""Build a head on vectors from settings, or again from what a run says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from modelheir import checks
from modelheir.checks import InputError
from modelheir.config.mapping import from_mapping, to_mapping
from modelheir.config.vector_head import VectorHeadConfig
from modelheir.models.vector_heads.ensemble import StackedLayers
from modelheir.models.vector_heads.head import VectorHead
from modelheir.models.vector_heads.layers import make_layers
from modelheir.models.vector_heads.scaling import Moments, Scaling

__all__ = ["build_vector_head", "vector_head_from_spec"]


def build_vector_head(
    config: VectorHeadConfig,
    *,
    width: int,
    classes: Sequence[str],
    seed: int = 0,
    moments: Moments | None = None,
) -> VectorHead:
    """Build a head with new weights; the same seed gives the same, and the global random state stays as it was.

    Args:
        config: Kind, layers, members, temperature, scaling.
        width: Numbers in a vector, ``>= 1``.
        classes: Class names, one a logit.
        seed: Of the initial weights; several members are drawn one after another.
        moments: Of the training vectors (:func:`~modelheir.models.vector_moments`), for ``normalise = standard``;
            without, vectors are not changed until weights that hold them are loaded.

    Returns:
        The head on the CPU in training mode.

    Raises:
        InputError: If a setting is out of range, or there are no classes.

    Example:
        >>> head = build_vector_head(VectorHeadConfig(), width=4, classes=["cat", "dog"])
        >>> head(torch.zeros(3, 4)).logits.shape
        torch.Size([3, 2])
    """
    checks.validate(config, "head")
    checks.at_least(1, width=width)
    if not classes or len(set(classes)) != len(classes):
        raise InputError("a classifier needs at least one class, and class names must differ from each other.")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        members = [
            make_layers(
                config.kind,
                width,
                len(classes),
                hidden=config.hidden,
                dropout=config.dropout,
                batch_norm=config.batch_norm,
                documented=config.documented,
                temperature=config.temperature,
            )
            for _ in range(config.members)
        ]
    spec = {
        "name": f"vectors:{config.kind}",
        "classes": list(classes),
        "image_size": 0,
        "resolution": 0,
        "seed": seed,
        "width": width,
        "vectors": to_mapping(config),
    }
    layers = members[0] if config.members == 1 else StackedLayers(members)
    return VectorHead(Scaling(config.normalise, width, moments), layers, spec=spec)


def vector_head_from_spec(spec: Mapping[str, Any]) -> VectorHead:
    """Build the head of a saved ``VectorHead.spec`` again, with its initial weights.

    Raises:
        InputError: If the specification has missing or unknown entries.
    """
    source = "the model's description"
    config = from_mapping(VectorHeadConfig, spec["vectors"], where="vectors", source=source)
    try:
        return build_vector_head(config, width=spec["width"], classes=spec["classes"], seed=spec["seed"])
    except KeyError as error:
        raise InputError(f"{source} lacks {error}: was it written by modelheir?") from error
