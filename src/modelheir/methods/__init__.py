"""The front door of every method: a table. Importing it, and any method in it, does not import torch.

To add one: a file here with ``Config``, ``plan`` and ``METHOD``, and a row below. CONTRIBUTING.md lists the rest.
"""

from modelheir.methods import bct, elodi, finetune, interpolate, self_distill, upgrade
from modelheir.methods.method import Method

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
    )
}
