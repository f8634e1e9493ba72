r"""Consistency: the loss of samples without labels, whose weak view teaches the strong one.

.. math:: L_u = \frac{\lambda}{B} \sum_n w_n \, \mathrm{CE}(z'_n, t_n), \qquad (t_n, w_n)
          \text{ from } p_n = \mathrm{softmax}(z_n)

``z`` of the weak view, ``z'`` of the strong one: Sohn et al., "FixMatch", 2020, arXiv:2001.07685, eq. 4, with the
targets and weights of :mod:`modelheir.objective.thresholds`. The mean is over all samples, whether they teach or not.
"""

from __future__ import annotations

from torch import Tensor

from modelheir import checks, losses
from modelheir.losses.precision import full_precision
from modelheir.objective.thresholds.pseudo_labels import PseudoLabels
from modelheir.types import Step

__all__ = ["Consistency"]


class Consistency:
    """Keeps what turns predictions into labels, and the weight of the loss.

    Args:
        labels: Targets and weights from predictions; has state to keep with a run's.
        weight: ``lambda``, ``>= 0``.
    """

    def __init__(self, labels: PseudoLabels, *, weight: float = 1.0) -> None:
        checks.at_least(0, weight=weight)
        self.labels, self.weight = labels, weight

    def __call__(self, weak: Tensor, strong: Tensor, index: Tensor, step: Step) -> dict[str, Tensor]:
        """Return the term ``unlabelled``, weighted, and observe ``train/confident``, the mean weight of samples.

        Args:
            weak: Logits of the weak view, ``(B, C)``; no gradient flows.
            strong: Logits of the strong view, ``(B, C)``.
            index: The samples' rows in their stream, ``(B,)``.
            step: Gathers over processes, and observes.
        """
        checks.same_shape(weak=weak, strong=strong)
        probabilities = full_precision(weak.detach()).softmax(dim=1)
        lesson = self.labels.weights(probabilities, index, gather=step.gather)
        step.observe("train/confident", lesson.weights.mean())
        values = lesson.weights * losses.soft_cross_entropy(strong, lesson.targets)
        return {"unlabelled": self.weight * values.mean()}
