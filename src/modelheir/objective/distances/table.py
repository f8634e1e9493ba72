"""The tables of losses between two models: a row a loss, named as its function, and so is the group of its settings.

``DISTANCES`` are those of updates, from a new model to an old one, image by image, so that a filter can weigh them.
``LOSSES`` are these and the shelf of distillation, from a student to a teacher. ``CALLED`` are the names that papers
and other libraries give them. None imports torch.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from modelheir.objective.distances import feature_settings as feature
from modelheir.objective.distances import logit_settings as logit
from modelheir.objective.distances import update_settings as update

__all__ = ["CALLED", "DISTANCES", "LOSSES", "Row"]


@dataclasses.dataclass(frozen=True)
class Row:
    """What is known of a loss without importing it."""

    settings: type[Any] | None  #: its group of settings, or none
    reads: Literal["logits", "features", "maps", "layers"]
    #: of each model: logits ``(N, C)``; features ``(N, D)``; one map ``(N, C, H, W)``; a list of maps, shallowest first
    labels: Literal["", "reads", "needs"] = ""  #: takes no labels; takes them; has no value without one label an image
    needs_where: str = ""  #: the setting with which one that reads labels needs them
    gathers: bool = False  #: compares an image with those of all processes
    module: str = ""  #: class of the loss where it has weights of its own; else it is the function of the row's name
    both: bool = False  #: takes ``both=True``, with which gradients flow into the other model too (mutual learning)
    draws: bool = False  #: takes ``generator``, the step's on the device, for what it draws


DISTANCES: dict[str, Row] = {
    "kl_distillation": Row(update.KLDistillation, "logits", both=True),
    "logit_matching": Row(update.LogitMatching, "logits"),
    "logit_difference": Row(update.LogitDifference, "logits", "reads", needs_where="label_weight"),
    "neighbourhood_alignment": Row(
        update.NeighbourhoodAlignment, "features", "reads", needs_where="supervised", gathers=True
    ),
    "renyi": Row(update.Renyi, "logits"),
    "retentive_cross_entropy": Row(update.RetentiveCrossEntropy, "logits", "needs"),
    "random_projection": Row(update.RandomProjection, "features", module="RandomProjectionLoss"),
    "feature_alignment": Row(None, "features"),
    "contrastive_feature_alignment": Row(update.ContrastiveFeatureAlignment, "features", "needs"),
    "new_error": Row(None, "logits", "needs"),
    "imitation": Row(None, "logits"),
    "strict_imitation": Row(None, "logits", "needs"),
}

LOSSES: dict[str, Row] = {
    **DISTANCES,
    "jeffreys": Row(logit.Jeffreys, "logits", both=True),
    "jensen_shannon": Row(None, "logits"),
    "teacher_cross_entropy": Row(logit.TeacherCrossEntropy, "logits"),
    "decoupled": Row(logit.Decoupled, "logits", "reads"),
    "dist": Row(logit.Dist, "logits", gathers=True),
    "weighted_soft_labels": Row(logit.WeightedSoftLabels, "logits", "reads"),
    "spherical": Row(logit.Spherical, "logits", "needs"),
    "logit_distance": Row(logit.LogitDistance, "logits"),
    "relational": Row(feature.Relational, "features", gathers=True),
    "probabilistic_transfer": Row(None, "features", gathers=True),
    "similarity_preserving": Row(None, "features", gathers=True),
    "correlation_congruence": Row(feature.CorrelationCongruence, "features", gathers=True),
    "contrastive_representation": Row(
        feature.ContrastiveRepresentation, "features", gathers=True, module="ContrastiveRepresentationLoss"
    ),
    "feature_distance": Row(feature.FeatureDistance, "maps", both=True),
    "hint": Row(None, "maps", module="HintLoss"),
    "masked_generative": Row(feature.MaskedGenerative, "maps", module="MaskedGenerativeLoss", draws=True),
    "projector_ensemble": Row(feature.ProjectorEnsemble, "maps", module="ProjectorEnsembleLoss"),
    "attention_transfer": Row(feature.AttentionTransfer, "maps"),
    "neuron_selectivity": Row(None, "maps"),
    "variational_information": Row(feature.VariationalInformation, "maps", module="VariationalInformationLoss"),
    "attention_feature": Row(feature.AttentionFeature, "layers", module="AttentionFeatureLoss"),
    "review": Row(feature.Review, "layers", module="ReviewLoss"),
}

#: what papers and other libraries call a loss, in small letters -> its row
CALLED: dict[str, str] = {
    "kd": "kl_distillation",
    "ldi": "logit_difference",
    "cna": "neighbourhood_alignment",
    "ssld": "jeffreys",
    "soft_ce": "teacher_cross_entropy",
    "dkd": "decoupled",
    "wsl": "weighted_soft_labels",
    "skd": "spherical",
    "rkd": "relational",
    "pkt": "probabilistic_transfer",
    "sp": "similarity_preserving",
    "cc": "correlation_congruence",
    "crd": "contrastive_representation",
    "fitnet": "hint",
    "fitnets": "hint",
    "at": "attention_transfer",
    "nst": "neuron_selectivity",
    "vid": "variational_information",
    "mgd": "masked_generative",
    "pefd": "projector_ensemble",
    "afd": "attention_feature",
    "reviewkd": "review",
}
