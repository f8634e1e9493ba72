"""The front door of every method: a table. Importing it, and any method in it, does not import torch.

To add one: a file in its family's folder with ``Config``, ``plan`` and ``METHOD``, and a row below. CONTRIBUTING.md
lists the rest.
"""

from modelheir.methods import finetune
from modelheir.methods.adapt import adapt
from modelheir.methods.cotrain import cotrain
from modelheir.methods.distill import distill, fixmatch, mutual, pseudo_label
from modelheir.methods.method import Method
from modelheir.methods.subspace import subspace
from modelheir.methods.upgrade import bct, elodi, interpolate, self_distill, upgrade

__all__ = ["METHODS", "Method"]

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        finetune.METHOD,
        upgrade.METHOD,
        elodi.METHOD,
        bct.METHOD,
        interpolate.METHOD,
        self_distill.METHOD,
        distill.METHOD,
        mutual.METHOD,
        pseudo_label.METHOD,
        fixmatch.METHOD,
        adapt.METHOD,
        cotrain.METHOD,
        subspace.METHOD,
    )
}
