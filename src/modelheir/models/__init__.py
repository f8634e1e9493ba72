"""Classifiers: build, load, freeze, join into teachers, export. Bodies come from torchvision, timm, or this folder."""

from modelheir.models.build import build, from_spec, names
from modelheir.models.classifier import Classifier
from modelheir.models.freeze import freeze, linear_only, state_hash
from modelheir.models.groups import parameter_groups, stages
from modelheir.models.load import load
from modelheir.models.outputs import cache_outputs, is_informative, mean_logits
from modelheir.models.teachers import Ensemble, StoredOutputs, Teacher

__all__ = [
    "Classifier",
    "Ensemble",
    "StoredOutputs",
    "Teacher",
    "build",
    "cache_outputs",
    "freeze",
    "from_spec",
    "is_informative",
    "linear_only",
    "load",
    "mean_logits",
    "names",
    "parameter_groups",
    "stages",
    "state_hash",
]
