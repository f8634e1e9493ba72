"""Losses: pure functions with one value an image ``(N,)``, thin modules that keep settings, filters and objective."""

from modelheir.losses.binary_cross_entropy import binary_cross_entropy, soft_binary_cross_entropy
from modelheir.losses.class_map import ClassMap, Shared, masked_mean
from modelheir.losses.cross_entropy import CrossEntropyLoss, cross_entropy
from modelheir.losses.dissonance import imitation, new_error, strict_imitation
from modelheir.losses.double_source_distillation import double_source_distillation
from modelheir.losses.ewc import ewc, unit_mean_fisher
from modelheir.losses.feature_alignment import (
    ContrastiveFeatureAlignmentLoss,
    contrastive_feature_alignment,
    feature_alignment,
)
from modelheir.losses.filters import (
    FILTERS,
    all_pass,
    effective_lambda,
    is_right,
    is_wrong,
    likelihood,
    mean_one,
    neg_flip,
    new_incorrect,
    old_correct,
    sample_weights,
)
from modelheir.losses.gather import Gather, all_gather, first_row
from modelheir.losses.kl_distillation import KLDistillationLoss, kl_distillation
from modelheir.losses.l2_sp import l2_sp
from modelheir.losses.likelihood_weighted_cross_entropy import likelihood_weighted_cross_entropy
from modelheir.losses.logit_bank import BankTargets, LogitBank
from modelheir.losses.logit_difference import LogitDifferenceLoss, logit_difference
from modelheir.losses.logit_matching import LogitMatchingLoss, logit_matching
from modelheir.losses.margin_calibration import margin_calibration
from modelheir.losses.muscle import muscle_distillation, muscle_mask
from modelheir.losses.neighbourhood_alignment import NeighbourhoodAlignmentLoss, neighbourhood_alignment
from modelheir.losses.objective import Term, combine
from modelheir.losses.precision import full_precision
from modelheir.losses.random_projection import RandomProjectionLoss, random_projection
from modelheir.losses.renyi import RenyiLoss, renyi
from modelheir.losses.retentive_cross_entropy import RetentiveCrossEntropyLoss, retentive_cross_entropy
from modelheir.losses.soft_cross_entropy import SoftCrossEntropyLoss, soft_cross_entropy

__all__ = [
    "FILTERS",
    "BankTargets",
    "ClassMap",
    "ContrastiveFeatureAlignmentLoss",
    "CrossEntropyLoss",
    "Gather",
    "KLDistillationLoss",
    "LogitBank",
    "LogitDifferenceLoss",
    "LogitMatchingLoss",
    "NeighbourhoodAlignmentLoss",
    "RandomProjectionLoss",
    "RenyiLoss",
    "RetentiveCrossEntropyLoss",
    "Shared",
    "SoftCrossEntropyLoss",
    "Term",
    "all_gather",
    "all_pass",
    "binary_cross_entropy",
    "combine",
    "contrastive_feature_alignment",
    "cross_entropy",
    "double_source_distillation",
    "effective_lambda",
    "ewc",
    "feature_alignment",
    "first_row",
    "full_precision",
    "imitation",
    "is_right",
    "is_wrong",
    "kl_distillation",
    "l2_sp",
    "likelihood",
    "likelihood_weighted_cross_entropy",
    "logit_difference",
    "logit_matching",
    "margin_calibration",
    "masked_mean",
    "mean_one",
    "muscle_distillation",
    "muscle_mask",
    "neg_flip",
    "neighbourhood_alignment",
    "new_error",
    "new_incorrect",
    "old_correct",
    "random_projection",
    "renyi",
    "retentive_cross_entropy",
    "sample_weights",
    "soft_binary_cross_entropy",
    "soft_cross_entropy",
    "strict_imitation",
    "unit_mean_fisher",
]
