"""Predictions to lessons: class shares aligned, a weight from a threshold, a target sharpened; all on the device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from modelheir import checks
from modelheir.losses.gather import Gather
from modelheir.objective.alignment import DistributionAlignment
from modelheir.objective.thresholds.sharpening import sharpened

__all__ = ["Lesson", "PseudoLabels", "Threshold"]


class Lesson(NamedTuple):
    """What predictions teach."""

    targets: Tensor  #: probabilities ``(B, C)``; one-hot where labels are hard
    weights: Tensor  #: ``(B,)``, ``>= 0``; 0 teaches nothing


class Threshold(Protocol):
    """What decides which predictions teach; its state is kept with a run's (:class:`~modelheir.plans.Stateful`)."""

    def weights(self, probabilities: Tensor, index: Tensor, *, gather: Gather | None = None) -> Tensor:
        """Return ``(B,)`` for probabilities ``(B, C)`` of the rows ``index`` ``(B,)``, and remember them."""
        ...

    def state_dict(self) -> Mapping[str, Tensor]:
        """Return what is remembered."""
        ...

    def load_state_dict(self, state: Mapping[str, Tensor]) -> object:
        """Take it back."""
        ...


class PseudoLabels:
    """Joins the three; keep it in ``Task.state`` so that a resumed run finds it.

    Args:
        threshold: Gives the weights, from aligned probabilities where they are.
        alignment: Of class shares; ``None``: probabilities stay.
        sharpen: Temperature of the targets, ``>= 0``; 0 is the likeliest class.

    Example:
        >>> from modelheir.objective.thresholds import FixedThreshold
        >>> labels = PseudoLabels(FixedThreshold(0.9))
        >>> labels.weights(torch.tensor([[0.95, 0.05], [0.4, 0.6]]), torch.tensor([0, 1]))
        Lesson(targets=tensor([[1., 0.],
                [0., 1.]]), weights=tensor([1., 0.]))
    """

    def __init__(
        self, threshold: Threshold, *, alignment: DistributionAlignment | None = None, sharpen: float = 0.0
    ) -> None:
        checks.at_least(0, sharpen=sharpen)
        self.threshold, self.alignment, self.sharpen = threshold, alignment, sharpen

    @torch.no_grad()
    def weights(self, probabilities: Tensor, index: Tensor, *, gather: Gather | None = None) -> Lesson:
        """Turn predictions into lessons, and remember them; once a step.

        Args:
            probabilities: ``(B, C)``, rows sum to 1. No gradient flows.
            index: Rows of the samples in their stream, int64 ``(B,)``, each once.
            gather: As :func:`all_gather`: what is remembered is of all processes.

        Returns:
            Targets and weights of this process's samples.
        """
        checks.two_dimensional(probabilities=probabilities)
        checks.same_length(probabilities=probabilities, index=index)
        given = probabilities.detach()
        if self.alignment is not None:
            given = self.alignment(given, gather=gather)
        weights = self.threshold.weights(given, index, gather=gather)
        return Lesson(sharpened(given, temperature=self.sharpen), weights)

    def state_dict(self) -> dict[str, Tensor]:
        """Return what both parts remember."""
        return {f"{name}.{key}": value for name, part in self._parts() for key, value in part.state_dict().items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take it back."""
        for name, part in self._parts():
            own = {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")}
            part.load_state_dict(own)

    def _parts(self) -> list[tuple[str, Threshold | DistributionAlignment]]:
        found: list[tuple[str, Threshold | DistributionAlignment]] = [("threshold", self.threshold)]
        return found if self.alignment is None else [*found, ("alignment", self.alignment)]
