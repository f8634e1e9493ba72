"""Build what turns predictions into labels from its settings."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from modelheir.checks import InputError, validate
from modelheir.objective.alignment import DistributionAlignment
from modelheir.objective.thresholds.choice import PseudoLabelConfig
from modelheir.objective.thresholds.fixed import FixedThreshold
from modelheir.objective.thresholds.flexmatch import FlexMatch
from modelheir.objective.thresholds.freematch import FreeMatch
from modelheir.objective.thresholds.pseudo_labels import PseudoLabels, Threshold
from modelheir.objective.thresholds.softmatch import SoftMatch

__all__ = ["make_pseudo_labels"]


def make_pseudo_labels(
    config: PseudoLabelConfig,
    *,
    classes: int,
    samples: int,
    labelled: Sequence[int] = (),
    device: torch.device | str | None = None,
) -> PseudoLabels:
    """Build it, with nothing remembered yet.

    Args:
        config: Which threshold, alignment and sharpness.
        classes: ``C``.
        samples: Rows of the stream without labels.
        labelled: How many labelled samples each class has, for ``align = labelled``.
        device: Where batches live.

    Raises:
        InputError: If a setting is out of range, or class shares are asked for and no label is known.
    """
    validate(config, "labels")
    threshold: Threshold
    if config.threshold == "flexmatch":
        threshold = FlexMatch(samples, classes, confidence=config.confidence, warm_up=config.warm_up, device=device)
    elif config.threshold == "freematch":
        threshold = FreeMatch(classes, momentum=config.momentum, device=device)
    elif config.threshold == "softmatch":
        threshold = SoftMatch(classes, momentum=config.momentum, spread=config.spread, device=device)
    else:
        threshold = FixedThreshold(config.confidence)
    alignment = None
    if config.align != "none":
        counts = torch.ones(classes) if config.align == "uniform" else torch.tensor(labelled, dtype=torch.float32)
        if len(counts) != classes or not counts.sum() > 0:
            raise InputError(f"align = {config.align!r} needs the number of labelled samples of each class.")
        alignment = DistributionAlignment(counts / counts.sum(), momentum=config.momentum, device=device)
    return PseudoLabels(threshold, alignment=alignment, sharpen=config.sharpen)
