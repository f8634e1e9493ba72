r"""Objectives that see each step's images apart: one batch of every step, through one forward pass.

.. math:: L = \frac1S \sum_t R_t + \frac{\lambda}{S} \sum_t P_t \ \text{(IRM)}, \qquad
          L = \sum_t q_t R_t \ \text{(group DRO)}, \qquad
          L = \frac1S \sum_t R_t + \lambda \,\overline{\mathrm{CORAL}(f_s, f_t)} \ \text{(CORAL)}

Group DRO may take the worst step alone, as Seq-to-Final's published code does: ``L = max_t R_t`` (``dro``). ``R`` are
the mean losses of the steps' batches, which share ``fit.batch_size`` evenly. The step with most images defines the
epoch, the others repeat.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modelheir import losses
from modelheir.objective.supervised import make_supervised
from modelheir.objective.together import NamedStep, run_together
from modelheir.types import LossTerms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from modelheir.methods.adapt.tuning import DomainConfig
    from modelheir.models import Classifier
    from modelheir.objective.supervised import SupervisedConfig
    from modelheir.types import Batch, Step

__all__ = ["KINDS", "DomainObjective"]

KINDS = ("irm", "group_dro", "coral")


class DomainObjective:
    """The loss of one kind; group DRO's weights are its state.

    Args:
        kind: One of :data:`KINDS`.
        model: The network to train.
        names: The streams of the steps, oldest first.
        config: Settings.
        supervised: The loss against labels.
    """

    def __init__(
        self, kind: str, model: Classifier, names: Sequence[str], config: DomainConfig, supervised: SupervisedConfig
    ) -> None:
        import torch

        self.kind, self.model, self.names, self.config = kind, model, tuple(names), config
        self._loss = make_supervised(supervised)
        self.weights = torch.full((len(self.names),), 1 / len(self.names))

    def state_dict(self) -> dict[str, Tensor]:
        """Return the steps' weights of group DRO."""
        return {"weights": self.weights}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take them back."""
        self.weights = state["weights"].clone()

    def __call__(self, batches: Mapping[str, Batch], step: Step) -> LossTerms:
        """Return the terms of one step."""
        import torch

        parts = [batches[name] for name in self.names]
        said = run_together(self.model, *parts)
        risks = []
        for name, outputs, batch in zip(self.names, said, parts, strict=True):
            named: Any = NamedStep(step, name)
            terms = self._loss(outputs, batch, named)
            risks.append(torch.stack(list(terms.values())).sum())
        risk = torch.stack(risks)
        if self.kind == "group_dro" and self.config.dro == "worst":
            return LossTerms({"task": losses.worst_risk(risk, step.mean(risk))})
        if self.kind == "group_dro":
            self.weights = losses.moved_group_weights(
                self.weights.to(risk.device), step.mean(risk.detach()), step_size=self.config.dro_rate
            )
            return LossTerms({"task": losses.group_dro(risk, self.weights)})
        terms = {"task": risk.mean()}
        if self.kind == "irm":
            penalty = torch.stack(
                [
                    losses.irm_halves(outputs.logits, batch.labels, generator=step.device_generator)
                    for outputs, batch in zip(said, parts, strict=True)
                ]
            ).mean()
            rising = self.config.irm_rise * step.steps
            share = min(1.0, step.number / rising) if rising else 1.0
            terms["irm"] = self.config.irm_weight * share * penalty
        else:
            terms["coral"] = self.config.coral_weight * losses.coral_of_pairs([one.features for one in said])
        return LossTerms(terms)
