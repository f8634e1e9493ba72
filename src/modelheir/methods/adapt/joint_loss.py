r"""What copies over time are trained by together: losses of all steps, distances between copies, and their decay.

.. math:: L = \frac1S \sum_t a_t R_t(\theta_t) + \mu \sum_{t < S - 1} \nu_t D(\theta_t, \theta_{t+1}), \qquad
          \lambda_k = \lambda\, \omega_{t(k)}

``R`` are the mean losses of the steps' batches, which share ``fit.batch_size`` evenly, and ``D`` is the distance
between consecutive copies (:func:`modelheir.models.over_time.distances`). ``a`` is 1 and for the newest step
``newest_weight``, or ``1 / (S - t)``; ``nu`` and ``omega`` are 1, or ``1 / (S - t)`` and ``1 / (t + 1)``. Ji et al.,
"Seq-to-Final", 2024, arXiv:2407.09642. Ours differs: the norm is the optimiser's weight decay ``lambda``, and a copy
that steps share decays once, as what is new at the first of them, ``t(k)``. Fisher information, of squared gradients
one epoch behind, is scaled to mean 1, which is what it is in the first epoch: the published program means to leave it
as it is, so that the penalty all but ends with that epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from modelheir import losses
from modelheir.config.fit import FitConfig, decay
from modelheir.models import over_time as nets
from modelheir.objective.supervised import make_supervised
from modelheir.objective.together import NamedStep
from modelheir.types import LossTerms

if TYPE_CHECKING:
    from torch import Tensor, nn

    from modelheir.methods.adapt.tuning import JointConfig
    from modelheir.models.over_time import OverTime
    from modelheir.objective.supervised import SupervisedConfig
    from modelheir.types import Batch, Step

__all__ = ["FisherSteps", "JointLoss", "decays_by_copy"]


class JointLoss:
    """The terms of one step of training.

    Args:
        model: The copies.
        config: Which weights the steps have.
        kind: ``l2``, ``l1``, ``l2_fisher``, or ``none`` for no distance.
        weight: Of the distance, ``mu``.
        supervised: The loss against labels.
    """

    def __init__(
        self, model: OverTime, config: JointConfig, *, kind: Any, weight: float, supervised: SupervisedConfig
    ) -> None:
        steps = len(model.routes)
        self.model, self.kind, self.weight, self._loss = model, kind, weight, make_supervised(supervised)
        rising, alike = losses.rising_weights(steps), (1.0,) * steps
        self.shares = rising if config.loss_by_time else losses.last_step_weights(steps, last=config.newest_weight)
        self.ties: Sequence[float] = rising if config.penalty_by_time else alike
        self.fisher: Mapping[str, Tensor] | None = None  #: for ``l2_fisher``, as :class:`FisherSteps` sets it

    def __call__(self, batches: Mapping[str, Batch], step: Step) -> LossTerms:
        """Return the terms of one batch of every step, each named ``step_1``, ``step_2``, ..."""
        import torch

        risks = []
        for number in range(len(self.model.routes)):
            name = f"step_{number + 1}"
            named: Any = NamedStep(step, name)
            terms = self._loss(self.model(batches[name].inputs, number), batches[name], named)
            risks.append(torch.stack(list(terms.values())).sum())
        found = {"task": losses.joint_risk(risks, self.shares)}
        if self.kind != "none":
            apart = nets.distances(self.model, self.kind, fisher=self.fisher)
            tied = [self.ties[number - 1] * value for (number, _), value in apart.items()]
            found["adjacent"] = self.weight * torch.stack(tied).sum()
        return LossTerms(found)


class FisherSteps:
    """Optimiser steps that weigh the distance by the squared gradients of the epoch before; a state.

    Args:
        loss: Whose ``fisher`` it sets, of kind ``l2_fisher``.
    """

    def __init__(self, loss: JointLoss) -> None:
        self._loss, self._epoch = loss, 0
        layers = tuple(f"copies.{name}." for name in nets.tied_layers(loss.model))
        whole = {key: one for key, one in loss.model.named_parameters() if key.startswith(layers)}
        self._parameters, self._running = whole, losses.RunningFisher(whole)
        loss.fisher = self._running.importance

    def __call__(self, batches: Mapping[str, Batch], step: Step) -> LossTerms:
        """Do one step."""
        if step.epoch != self._epoch:
            self._running.end_epoch()
            self._take(step.epoch)
        terms = self._loss(batches, step)
        found = step.gradients(terms.total)
        images = sum(len(batch) for batch in batches.values())
        self._running.observe({key: found[one] for key, one in self._parameters.items()}, images=images)
        step.apply(gradients=found)
        return terms

    def state_dict(self) -> dict[str, Tensor]:
        """Return what was collected and the epoch that it is of."""
        import torch

        return {**self._running.state_dict(), "epoch": torch.tensor(self._epoch)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take them back."""
        self._running.load_state_dict(state)
        self._take(int(state["epoch"]))

    def _take(self, epoch: int) -> None:
        self._epoch, self._loss.fisher = epoch, losses.unit_mean_fisher(self._running.importance)


def decays_by_copy(
    config: JointConfig, fit: FitConfig, efficient: float | None
) -> Callable[[nn.Module], list[tuple[list[Tensor], float, float | None]]] | None:
    """Return what splits the copies into groups with a weight decay each; ``None`` where all have that of the run.

    Args:
        config: Whether decay falls over time.
        fit: The decay, and whether norms and biases have it.
        efficient: Decay of side modules and adapters; ``None``: as everything else.
    """
    if efficient is None and not config.penalty_by_time:
        return None

    def split(model: Any) -> list[tuple[list[Tensor], float, float | None]]:
        steps, usual = len(model.routes), decay(fit)
        falling = losses.falling_weights(steps) if config.penalty_by_time else (1.0,) * steps
        groups: list[tuple[list[Tensor], float, float | None]] = []
        for column, name in enumerate(model.names):
            used = [row[column] for row in model.routes]
            for number in sorted(set(used)):
                further = number > 0 and model.kinds[name] != "separate"
                strength = usual if efficient is None or not further else efficient
                strength *= falling[used.index(number)]
                every = list(model.held(name)[number].parameters())
                exempt = [one for one in every if one.ndim <= 1 and not fit.decay_norm_and_bias]
                taken = {id(one) for one in exempt}
                groups += [([one for one in every if id(one) not in taken], 1.0, strength), (exempt, 1.0, 0.0)]
        return groups

    return split
