from .features.feature_alignment import contrastive_feature_alignment as contrastive_feature_alignment
from .features.feature_alignment import feature_alignment as feature_alignment
from .features.neighbourhood_alignment import neighbourhood_alignment as neighbourhood_alignment
from .features.random_projection import RandomProjectionLoss as RandomProjectionLoss
from .features.random_projection import random_projection as random_projection
from .gather import Gather as Gather
from .gather import all_gather as all_gather
from .gather import first_row as first_row
from .labels.binary_cross_entropy import binary_cross_entropy as binary_cross_entropy
from .labels.binary_cross_entropy import soft_binary_cross_entropy as soft_binary_cross_entropy
from .labels.cross_entropy import cross_entropy as cross_entropy
from .labels.likelihood_weighted_cross_entropy import (
    likelihood_weighted_cross_entropy as likelihood_weighted_cross_entropy,
)
from .labels.margin_calibration import margin_calibration as margin_calibration
from .labels.soft_cross_entropy import soft_cross_entropy as soft_cross_entropy
from .logits.dissonance import imitation as imitation
from .logits.dissonance import new_error as new_error
from .logits.dissonance import strict_imitation as strict_imitation
from .logits.kl_distillation import kl_distillation as kl_distillation
from .logits.logit_difference import logit_difference as logit_difference
from .logits.logit_matching import logit_matching as logit_matching
from .logits.renyi import renyi as renyi
from .logits.retentive_cross_entropy import retentive_cross_entropy as retentive_cross_entropy
from .means import masked_mean as masked_mean
from .means import mean_one as mean_one
from .precision import full_precision as full_precision
from .right import is_right as is_right
from .right import is_wrong as is_wrong
from .weights.ewc import ewc as ewc
from .weights.ewc import unit_mean_fisher as unit_mean_fisher
from .weights.l2_sp import l2_sp as l2_sp
