"""FixMatch and its kin on stored vectors: labelled ones and two noisy views of others, in one forward pass."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from torch import Tensor, nn

from modelheir.objective.consistency.choice import ConsistencyConfig
from modelheir.objective.consistency.noise import VectorNoise
from modelheir.objective.consistency.unlabelled import Consistency
from modelheir.objective.thresholds.pseudo_labels import PseudoLabels
from modelheir.objective.together import run_together
from modelheir.types import LossTerms

if TYPE_CHECKING:
    from modelheir.types import Batch, Outputs, Step

__all__ = ["vector_consistency"]

Supervised = Callable[["Outputs", "Batch", "Step"], dict[str, Tensor]]


def vector_consistency(
    model: nn.Module,
    config: ConsistencyConfig,
    labels: PseudoLabels,
    supervised: Supervised,
    *,
    mean: Tensor,
    deviation: Tensor,
) -> Callable[[Mapping[str, Batch], Step], LossTerms]:
    """Return an objective over the streams ``train`` (labelled) and ``unlabelled``, both of vectors ``(N, D)``.

    The labelled vectors have the weak noise too, as images have the weak changes.

    Args:
        model: Vectors to outputs, in training.
        config: Weight of the loss and strength of both views.
        labels: Made from ``config.labels``; give it to ``Task.state``.
        supervised: Loss of labelled vectors (:func:`~modelheir.objective.make_supervised`).
        mean: Of the training vectors, ``(D,)``, on the device of batches.
        deviation: Likewise.
    """
    weak, strong = (VectorNoise(mean, deviation, **dataclasses.asdict(one)) for one in (config.weak, config.strong))
    consistency = Consistency(labels, weight=config.weight)

    def objective(batches: Mapping[str, Batch], step: Step) -> LossTerms:
        known, pool = batches["train"], batches["unlabelled"]
        known, seen, changed = (
            dataclasses.replace(batch, inputs=noise(batch.inputs, step.device_generator))
            for batch, noise in ((known, weak), (pool, weak), (pool, strong))
        )
        ours, sure, hard = run_together(model, known, seen, changed)
        terms = supervised(ours, known, step)
        return LossTerms({**terms, **consistency(sure.logits, hard.logits, pool.index, step)})

    return objective
