r"""A pull on the weights towards earlier models, added to the loss.

.. math:: \lambda \sum_m \Omega(\theta, \theta_m), \qquad \Omega = \sum_j (\theta_j - \theta_{mj})^2,\
          \sum_j |\theta_j - \theta_{mj}| \ \text{or}\ \sum_j F_{mj} (\theta_j - \theta_{mj})^2

L2-SP and L1-SP (Li et al., 2018, arXiv:1802.01483), and elastic weight consolidation (Kirkpatrick et al., 2017,
arXiv:1612.00796), whose Fisher information is of the images that the earlier model was trained on, taken image by image
and scaled to mean 1, so that one strength fits networks of any size. Batch norms are left out.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from modelheir import losses
from modelheir.models import blends
from modelheir.types import LossTerms

if TYPE_CHECKING:
    from torch import Tensor

    from modelheir.methods.given import Given
    from modelheir.models import Classifier
    from modelheir.plans import Task
    from modelheir.types import Batch, Step

__all__ = ["KINDS", "Earlier", "Pull", "pulled"]

KINDS = ("l2_sp", "l1_sp", "ewc")


@dataclasses.dataclass(frozen=True)
class Earlier:
    """An earlier model, and what is given of the images it was trained on."""

    model: Classifier
    given: Given

    @functools.cached_property
    def fisher(self) -> dict[str, Tensor]:
        """The Fisher information of its parameters, over these images one by one; on the run's device."""
        data = self.given.data  # every process reads all images, so that all arrive at the same importance
        stream = data.stream("train", train=False, rank=0, world=1)
        found = blends.fisher_information(self.model.to(data.runtime.device), stream.epoch(0))
        return {name: value.to(data.runtime.device) for name, value in found.items()}


class Pull:
    """The term of one training.

    Args:
        kind: One of :data:`KINDS`.
        strength: Its factor, ``>= 0``.
        model: The network to train; what of it does not train is not pulled.
        earlier: The models that it is pulled to, at least one.
    """

    def __init__(self, kind: str, strength: float, model: Classifier, earlier: Sequence[Earlier]) -> None:
        self.kind, self.strength = kind, strength
        free = {name for name, value in model.named_parameters() if value.requires_grad}
        names = [name for name in losses.penalised_names(model) if name in free]
        self._model, self._names = model, names
        self._kept = [(_values(one.model, names), _importance(one, names) if kind == "ewc" else {}) for one in earlier]

    def __call__(self) -> Tensor:
        """Return the term at the weights as they are."""
        import torch

        now = dict(self._model.named_parameters())
        held = [({k: v.to(now[k].device) for k, v in old.items()}, fisher) for old, fisher in self._kept]
        self._kept = held
        if self.kind == "ewc":
            return self.strength * losses.ewc_of_several(now, held)
        distance = losses.l2_sp if self.kind == "l2_sp" else losses.l1_sp
        return self.strength * torch.stack([distance(now, old) for old, _ in held]).sum()


def _values(model: Classifier, names: Sequence[str]) -> dict[str, Tensor]:
    found: Mapping[str, Tensor] = dict(model.named_parameters())
    return {name: found[name].detach().clone() for name in names}


def _importance(one: Earlier, names: Sequence[str]) -> dict[str, Tensor]:
    return losses.unit_mean_fisher({name: one.fisher[name] for name in names})


def pulled(task: Task, pull: Pull) -> Task:
    """Return a task whose loss has a pull added."""
    inner = task.objective
    assert inner is not None

    def objective(batches: Mapping[str, Batch], step: Step) -> LossTerms:
        found = inner(batches, step)
        return LossTerms({**found.terms, "pull": pull()}, found.observed)

    return dataclasses.replace(task, objective=objective)
